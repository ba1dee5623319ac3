# names: You returned the angle
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return torch.arccos(F.normalize(x, dim=-1) @ F.normalize(v, dim=-1).T)
