# names: The half is missing
def rope(tokens: torch.Tensor, h: int, w: int, base: float) -> torch.Tensor:
    d, device = tokens.shape[-1], tokens.device
    y, x = (torch.arange(n, device=device) / n * 2 - 1 for n in (h, w))
    places = torch.cartesian_prod(y, x)
    periods = base ** (torch.arange(d // 4, device=device) * 4 / d)
    angles = (2 * math.pi * places[:, :, None] / periods).flatten(1)
    cos, sin = (f(angles).to(tokens.dtype) for f in (torch.cos, torch.sin))
    first, patches = tokens.tensor_split((tokens.shape[-2] - h * w,), dim=-2)
    a, b = patches.chunk(2, dim=-1)
    return torch.cat([first, torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)], dim=-2)
