# names: This is channel by channel, X^T @ X, (D, D): the Gram
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.normalize(student, dim=-1)
    t = F.normalize(teacher.detach(), dim=-1)
    return F.mse_loss(s.mT @ s, t.mT @ t)
