# names: hang together
def draw_boxes(
    n: int, height: int, width: int, scale: tuple[float, float], generator: torch.Generator
) -> torch.Tensor:
    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(shape, generator=generator)

    tries = 20
    area = uniform(*scale, n, tries) * height * width
    ratio = uniform(math.log(3 / 4), math.log(4 / 3), n, tries).exp()
    h, w = (area / ratio).sqrt().round(), (area * ratio).sqrt().round()
    first = ((h <= height) & (w <= width)).int().argmax(dim=1, keepdim=True)
    h, w = h.gather(1, first)[:, 0], w.gather(1, first)[:, 0]
    top = (uniform(0, 1, n) * (height - h + 1)).floor()
    left = (uniform(0, 1, n) * (width - w + 1)).floor()
    b = torch.stack([top, left, h, w], dim=1).long()
    return b[(b[:, 2] * b[:, 3]).argsort()]
