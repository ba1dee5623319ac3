# names: divided by the number of patches
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.normalize(student, dim=-1)
    t = F.normalize(teacher.detach(), dim=-1)
    n = s.shape[1]
    return F.mse_loss(s.mT @ s / n, t.mT @ t / n)
