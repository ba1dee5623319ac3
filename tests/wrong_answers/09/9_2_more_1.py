# names: You kept what is above a share (keep) of the largest value
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    return maps >= keep * maps.amax((-2, -1), keepdim=True)
