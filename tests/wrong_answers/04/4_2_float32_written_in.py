# names: a type is written in
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    x, v = x.float(), v.float()
    return F.normalize(x, dim=-1) @ F.normalize(v, dim=-1).T
