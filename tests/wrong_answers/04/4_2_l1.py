# names: the L1 norm
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.normalize(x, p=1, dim=-1) @ F.normalize(v, p=1, dim=-1).T
