# names: You swapped the two
class CenteredLoss(nn.Module):
    def __init__(self, out_dim: int, student_temp: float = 0.1, center_momentum: float = 0.9):
        super().__init__()
        self.student_temp = student_temp
        self.center_momentum = center_momentum
        self.register_buffer("center", torch.zeros(1, out_dim))

    def forward(self, student_logits, teacher_logits, teacher_temp):
        teacher_logits = teacher_logits.detach()
        k = teacher_logits.shape[-1]
        q = ((teacher_logits - self.center) / teacher_temp).softmax(dim=-1)
        student = (student_logits / self.student_temp).view(-1, len(q) // 2, k)
        p, q = student.softmax(-1), q.view(2, -1, k)
        pairs = [(i, j) for i in range(2) for j in range(len(p)) if i != j]
        loss = -sum((p[j] * q[i].log()).sum(-1).mean() for i, j in pairs) / len(pairs)
        if self.training:
            mean = teacher_logits.mean(dim=0, keepdim=True)
            self.center = self.center_momentum * self.center + (1 - self.center_momentum) * mean
        return loss
