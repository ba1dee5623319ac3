# names: The patches of all images meet
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.normalize(student, dim=-1)
    t = F.normalize(teacher.detach(), dim=-1)
    s, t = s.flatten(0, 1), t.flatten(0, 1)
    return F.mse_loss(s @ s.T, t @ t.T)
