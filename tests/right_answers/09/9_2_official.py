def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    # The official code: 1 - 0.8 is 0.19999..., so a tie there would be one of rounding.
    val, idx = torch.sort(maps.flatten(-2))
    val /= val.sum(-1, keepdim=True)
    th = val.cumsum(-1) > (1 - keep)
    return torch.zeros_like(th).scatter(-1, idx, th).view(maps.shape)
