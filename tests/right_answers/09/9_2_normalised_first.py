def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    f = maps.double().flatten(-2)
    f = f / f.sum(-1, keepdim=True)
    value, order = f.sort(dim=-1, descending=True)
    kept = (value.cumsum(-1) - value) < keep
    return torch.zeros_like(kept).scatter(-1, order, kept).view(maps.shape)
