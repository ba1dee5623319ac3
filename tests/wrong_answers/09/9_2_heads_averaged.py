# names: All heads have the same mask
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    whole = maps
    if maps.ndim > 2:
        maps = maps.mean(-3, keepdim=True)
    flat = maps.flatten(-2)
    mass, order = flat.sort(dim=-1, descending=True)
    kept = mass.cumsum(-1) - mass < keep * mass.sum(-1, keepdim=True)
    mask = torch.zeros_like(kept).scatter(-1, order, kept).view(maps.shape)
    return mask.expand_as(whole)
