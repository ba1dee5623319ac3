# names: too much of what you draw is thrown away
def draw_boxes(
    n: int, height: int, width: int, scale: tuple[float, float], generator: torch.Generator
) -> torch.Tensor:
    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(shape, generator=generator)

    while True:
        area = uniform(*scale, n) * height * width
        ratio = uniform(math.log(3 / 4), math.log(4 / 3), n).exp()
        h, w = (area / ratio).sqrt().round(), (area * ratio).sqrt().round()
        if ((h <= height) & (w <= width)).all():
            break
    top = (uniform(0, 1, n) * (height - h + 1)).floor()
    left = (uniform(0, 1, n) * (width - w + 1)).floor()
    return torch.stack([top, left, h, w], dim=1).long()
