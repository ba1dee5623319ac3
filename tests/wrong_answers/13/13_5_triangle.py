# names: Each pair counts once
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.normalize(student, dim=-1)
    t = F.normalize(teacher.detach(), dim=-1)
    i, j = torch.triu_indices(s.shape[1], s.shape[1])
    return F.mse_loss((s @ s.mT)[:, i, j], (t @ t.mT)[:, i, j])
