# names: You kept that share of the *patches* (rounded)
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    f = maps.flatten(-2)
    n = round(keep * f.shape[-1])
    idx = f.topk(n, dim=-1).indices
    return torch.zeros_like(f, dtype=torch.bool).scatter(-1, idx, True).view(maps.shape)
