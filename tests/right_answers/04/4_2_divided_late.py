def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    lengths = torch.linalg.vector_norm(x, dim=1)[:, None] * torch.linalg.vector_norm(v, dim=1)
    return F.linear(x, v) / lengths
