def rope(tokens: torch.Tensor, h: int, w: int, base: float) -> torch.Tensor:
    d = tokens.shape[-1]
    first = tokens.shape[-2] - h * w
    out = tokens.clone()
    for i in range(d // 4):
        period = base ** (4 * i / d)
        for n in range(h * w):
            place = (n // w + 0.5) / h * 2 - 1, (n % w + 0.5) / w * 2 - 1
            for axis in range(2):
                angle = 2 * math.pi * place[axis] / period
                a, b = i + axis * d // 4, i + axis * d // 4 + d // 2
                one, two = tokens[:, :, first + n, a], tokens[:, :, first + n, b]
                out[:, :, first + n, a] = one * math.cos(angle) - two * math.sin(angle)
                out[:, :, first + n, b] = two * math.cos(angle) + one * math.sin(angle)
    return out
