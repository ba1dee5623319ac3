def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.cosine_similarity(x.unsqueeze(1), v.unsqueeze(0), dim=-1)
