# names: a Frobenius norm
def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.normalize(student, dim=-1)
    t = F.normalize(teacher.detach(), dim=-1)
    return (s @ s.mT - t @ t.mT).norm(dim=(1, 2)).mean()
