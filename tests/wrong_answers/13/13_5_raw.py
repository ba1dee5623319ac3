# names: Nothing is brought to length 1
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = student
    t = teacher.detach()
    return F.mse_loss(s @ s.mT, t @ t.mT)
