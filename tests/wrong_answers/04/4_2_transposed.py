# names: Rows and columns are swapped
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.normalize(v, dim=-1) @ F.normalize(x, dim=-1).T
