def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    total = student.sum() * 0
    for s, t in zip(student, teacher.detach(), strict=True):
        s, t = F.normalize(s, dim=1), F.normalize(t, dim=1)
        total = total + (s @ s.T - t @ t.T).norm().square() / len(s) ** 2
    return total / len(student)
