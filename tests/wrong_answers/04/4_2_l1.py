# names: sum of absolute values
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.normalize(x, p=1, dim=-1) @ F.normalize(v, p=1, dim=-1).T
