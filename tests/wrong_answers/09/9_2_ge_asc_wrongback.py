# names: The mask is in the order of an ascending sort
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    mass, order = maps.flatten(-2).sort(dim=-1)
    kept = mass.cumsum(-1) > (1 - keep) * mass.sum(-1, keepdim=True)
    return kept.view(maps.shape)
