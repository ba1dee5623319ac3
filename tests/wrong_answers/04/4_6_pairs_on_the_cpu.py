# names: when its inputs are not on the CPU
class CenteredLoss(nn.Module):
    def __init__(self, out_dim, student_temp=0.1, center_momentum=0.9):
        super().__init__()
        self.st, self.m = student_temp, center_momentum
        self.register_buffer("center", torch.zeros(1, out_dim))

    def forward(self, s, t, tt):
        t = t.detach()
        q = ((t - self.center) / tt).softmax(-1)
        q = q.view(2, -1, q.shape[-1])
        lp = (s / self.st).log_softmax(-1).view(-1, *q.shape[1:])
        w = 1 - torch.eye(len(q), len(lp))
        h = -torch.einsum("gbk,vbk->gvb", q, lp).mean(-1)
        loss = (w * h).sum() / w.sum()
        if self.training:
            self.center.lerp_(t.mean(0, keepdim=True), 1 - self.m)
        return loss
