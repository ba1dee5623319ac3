# names: The prototypes are not normalised
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.normalize(x, dim=-1) @ v.T
