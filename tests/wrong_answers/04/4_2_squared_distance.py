# names: negative squared distance of the two unit
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return -torch.cdist(F.normalize(x, dim=-1), F.normalize(v, dim=-1)).square()
