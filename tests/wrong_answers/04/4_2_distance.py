# names: This is a distance, 1 - cosine
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return 1 - F.normalize(x, dim=-1) @ F.normalize(v, dim=-1).T
