# names: one patch too many
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    flat = maps.flatten(-2)
    mass, order = flat.sort(dim=-1, descending=True)
    n = (mass.cumsum(-1) < keep * mass.sum(-1, keepdim=True)).sum(-1, keepdim=True) + 2
    return (order.argsort(-1) < n).view(maps.shape)
