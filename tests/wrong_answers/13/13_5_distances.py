# names: Distances are compared
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.normalize(student, dim=-1)
    t = F.normalize(teacher.detach(), dim=-1)
    s, t = ((x[:, :, None] - x[:, None]).norm(dim=-1) for x in (s, t))
    return F.mse_loss(s, t)
