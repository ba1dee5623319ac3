# names: These are positions in the order of the sort, and not a mask
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    flat = maps.flatten(-2)
    mass, order = flat.sort(dim=-1, descending=True)
    before = mass.cumsum(-1) - mass
    before < keep * mass.sum(-1, keepdim=True)
    return order.view(maps.shape)
