# names: sorted the whole batch together
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    mass, order = maps.flatten().sort(descending=True)
    kept = mass.cumsum(-1) - mass < keep * mass.sum()
    return torch.zeros_like(kept).scatter(-1, order, kept).view(maps.shape)
