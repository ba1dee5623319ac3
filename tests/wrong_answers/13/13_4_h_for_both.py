# names: Both coordinates are divided by h
def rope(tokens: torch.Tensor, h: int, w: int, base: float) -> torch.Tensor:
    x, n, d = tokens, h * w, tokens.shape[-1]
    ys, xs = (
        (torch.arange(side, device=x.device, dtype=x.dtype) + 0.5) / h * 2 - 1 for side in (h, w)
    )
    places = torch.cartesian_prod(ys, xs)
    periods = base ** (torch.arange(d // 4, device=x.device, dtype=x.dtype) * 4 / d)
    angles = (2 * math.pi * places[:, :, None] / periods).flatten(1)
    first, (a, b) = x[..., : x.shape[-2] - n, :], x[..., x.shape[-2] - n :, :].chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first, torch.cat([a * cos - b * sin, b * cos + a * sin], -1)], -2)
