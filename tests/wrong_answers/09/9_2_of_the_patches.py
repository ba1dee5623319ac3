# names: of the *patches*
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    flat = maps.flatten(-2)
    last = torch.quantile(flat, 1 - keep, dim=-1, keepdim=True)
    return (flat > last).view(maps.shape)
