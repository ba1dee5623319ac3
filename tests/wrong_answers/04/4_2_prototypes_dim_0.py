# names: normalised the prototypes along dim 0
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.normalize(x, dim=1) @ F.normalize(v, dim=0).T
