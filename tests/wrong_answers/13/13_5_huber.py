# names: This is a smooth L1
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.normalize(student, dim=-1)
    t = F.normalize(teacher.detach(), dim=-1)
    return F.smooth_l1_loss(s @ s.mT, t @ t.mT)
