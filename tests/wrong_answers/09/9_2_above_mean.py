# names: above the mean
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    return maps > maps.mean((-2, -1), keepdim=True)
