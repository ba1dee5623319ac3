# names: row by row
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    mass, order = maps.sort(dim=-1, descending=True)
    kept = mass.cumsum(-1) - mass < keep * mass.sum(-1, keepdim=True)
    return torch.zeros_like(kept).scatter(-1, order, kept)
