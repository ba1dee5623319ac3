# names: Student patches meet teacher patches, X_S @ X_T^T. Each has
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.normalize(student, dim=-1)
    t = F.normalize(teacher.detach(), dim=-1)
    return F.mse_loss(s @ t.mT, t @ t.mT)
