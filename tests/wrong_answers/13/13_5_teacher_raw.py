# names: The teacher is not brought to length 1
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.normalize(student, dim=-1)
    t = teacher.detach()
    return F.mse_loss(s @ s.mT, t @ t.mT)
