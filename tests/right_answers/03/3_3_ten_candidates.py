def draw_boxes(
    n: int, height: int, width: int, scale: tuple[float, float], generator: torch.Generator
) -> torch.Tensor:
    low, high = scale
    area = torch.empty(n, 10).uniform_(low, high, generator=generator) * height * width
    log_ratio = torch.empty(n, 10).uniform_(-1, 1, generator=generator) * math.log(4 / 3)
    h, w = (area / log_ratio.exp()).sqrt(), (area * log_ratio.exp()).sqrt()
    fits = (h <= height) & (w <= width)  # before rounding
    first = fits.int().argmax(dim=1)
    rows = torch.arange(n)
    h, w = h[rows, first].round().long(), w[rows, first].round().long()
    top = (torch.rand(n, generator=generator) * (height + 1 - h)).long()
    left = (torch.rand(n, generator=generator) * (width + 1 - w)).long()
    return torch.stack([top, left, h, w], dim=1)
