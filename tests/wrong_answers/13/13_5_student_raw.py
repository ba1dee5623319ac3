# names: The student is not brought to length 1
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = student
    t = F.normalize(teacher.detach(), dim=-1)
    return F.mse_loss(s @ s.mT, t @ t.mT)
