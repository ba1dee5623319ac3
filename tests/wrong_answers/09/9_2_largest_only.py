# names: Only the largest patch is kept
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    return maps == maps.amax((-2, -1), keepdim=True)
