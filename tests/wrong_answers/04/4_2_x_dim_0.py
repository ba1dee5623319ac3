# names: You normalised x along dim 0
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.normalize(x, dim=0) @ F.normalize(v, dim=1).T
