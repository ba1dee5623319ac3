def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    products = student @ student.transpose(1, 2)
    lengths = student.norm(dim=2)
    s = products / (lengths[:, :, None] * lengths[:, None])
    t = F.normalize(teacher, dim=2).detach()
    return F.mse_loss(s, torch.bmm(t, t.transpose(1, 2)), reduction="mean")
