# names: This is image by image
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.normalize(student, dim=-1)
    t = F.normalize(teacher.detach(), dim=-1)
    s, t = s.transpose(0, 1), t.transpose(0, 1)
    return F.mse_loss(s @ s.mT, t @ t.mT)
