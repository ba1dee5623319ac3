# names: Yours holds what is left, 1 - keep
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    mass, order = maps.flatten(-2).sort(dim=-1)
    kept = mass.cumsum(-1) > keep * mass.sum(-1, keepdim=True)
    return torch.zeros_like(kept).scatter(-1, order, kept).view(maps.shape)
