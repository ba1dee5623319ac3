class CenteredLoss(nn.Module):
    def __init__(self, out_dim: int, student_temp: float = 0.1, center_momentum: float = 0.9):
        super().__init__()
        self.tau, self.m = student_temp, center_momentum
        self.center: torch.Tensor
        self.register_buffer("center", torch.zeros((1, out_dim)))

    def forward(self, student_logits, teacher_logits, teacher_temp):
        batch = len(teacher_logits) // 2
        with torch.no_grad():
            q = F.softmax((teacher_logits - self.center) / teacher_temp, dim=-1).chunk(2)
        log_p = F.log_softmax(student_logits / self.tau, dim=-1).split(batch)
        total = 0
        for i, target in enumerate(q):
            total = total - sum(
                (target * log_p[j]).sum(-1).mean() for j in range(len(log_p)) if j != i
            )
        self.update(teacher_logits)
        return total / (2 * len(log_p) - 2)

    @torch.no_grad()
    def update(self, teacher_logits):
        if self.training:
            self.center.mul_(self.m).add_(teacher_logits.mean(0), alpha=1 - self.m)
