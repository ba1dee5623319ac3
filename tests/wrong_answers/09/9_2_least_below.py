# names: the *least* attention as long as
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    flat = maps.flatten(-2)
    mass, order = flat.sort(dim=-1, descending=False)
    kept = mass.cumsum(-1) <= keep * flat.sum(-1, keepdim=True)
    return torch.zeros_like(kept).scatter(-1, order, kept).view(maps.shape)
