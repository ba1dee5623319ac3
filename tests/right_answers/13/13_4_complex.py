def rope(tokens: torch.Tensor, h: int, w: int, base: float) -> torch.Tensor:
    d, first = tokens.shape[-1], tokens.shape[-2] - h * w
    patches = tokens[..., first:, :]
    number = torch.complex(patches[..., : d // 2].contiguous(), patches[..., d // 2 :].contiguous())
    n = torch.arange(h * w, device=tokens.device, dtype=tokens.dtype)
    y = (torch.div(n, w, rounding_mode="floor") + 0.5) / h * 2 - 1
    x = (n % w + 0.5) / w * 2 - 1
    frequency = base ** (-torch.arange(0, d, 4, device=tokens.device, dtype=tokens.dtype) / d)
    angle = 2 * math.pi * torch.cat([torch.outer(y, frequency), torch.outer(x, frequency)], dim=1)
    number = number * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([tokens[..., :first, :], torch.cat([number.real, number.imag], -1)], -2)
