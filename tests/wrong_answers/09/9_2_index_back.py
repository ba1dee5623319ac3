# names: You took the answers back with gather (or by indexing with t
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    flat = maps.flatten(-2)
    mass, order = flat.sort(dim=-1, descending=True)
    kept = mass.cumsum(-1) - mass < keep * mass.sum(-1, keepdim=True)
    return kept.gather(-1, order).view(maps.shape)
