# names: The sign is turned round: your loss falls
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.normalize(student, dim=-1)
    t = F.normalize(teacher.detach(), dim=-1)
    return -F.mse_loss(s @ s.mT, t @ t.mT)
