# names: Only the largest patch is kept
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    flat = maps.flatten(-2)
    mass, order = flat.sort(dim=-1, descending=True)
    before = mass.cumsum(-1) - mass
    kept = before / mass.amax(-1, keepdim=True) < keep
    return torch.zeros_like(kept).scatter(-1, order, kept).view(maps.shape)
