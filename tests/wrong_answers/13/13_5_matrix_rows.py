# names: The matrices are brought to length 1
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.normalize(student, dim=-1)
    t = F.normalize(teacher.detach(), dim=-1)
    s, t = (F.normalize(x @ x.mT, dim=-1) for x in (student, teacher.detach()))
    return F.mse_loss(s, t)
