# names: divided by the root of D
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.normalize(student, dim=-1)
    t = F.normalize(teacher.detach(), dim=-1)
    return F.mse_loss(s @ s.mT / s.shape[-1] ** 0.5, t @ t.mT / t.shape[-1] ** 0.5)
