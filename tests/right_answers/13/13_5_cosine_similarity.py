def gram_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    s = F.cosine_similarity(student[:, :, None], student[:, None], dim=-1)
    t = F.cosine_similarity(teacher[:, :, None], teacher[:, None], dim=-1)
    return torch.mean((s - t.detach()) ** 2)
