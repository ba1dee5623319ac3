# names: The prototypes are rows, (K, d): transpose them
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.normalize(x, dim=-1) @ F.normalize(v, dim=-1)
