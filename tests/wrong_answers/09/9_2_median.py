# names: You kept what is at least the median of the map
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    return maps >= maps.flatten(-2).median(-1).values[..., None, None]
