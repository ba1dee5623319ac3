def draw_boxes(
    n: int, height: int, width: int, scale: tuple[float, float], generator: torch.Generator
) -> torch.Tensor:
    h, w = torch.full((n,), height + 1.0), torch.zeros(n)
    while (bad := (h > height) | (w > width)).any():
        s, t = torch.rand(2, n, generator=generator)
        area = (scale[0] + s * (scale[1] - scale[0])) * height * width
        root = ((t - 0.5) * math.log(4 / 3)).exp()  # of the ratio, here height / width
        h = torch.where(bad, (area.sqrt() * root).round(), h)
        w = torch.where(bad, (area.sqrt() / root).round(), w)
    u = torch.rand(2, n, generator=generator)
    top = (u[0] * (height - h + 1)).long()
    left = (u[1] * (width - w + 1)).long()
    return torch.stack([top, left, h.long(), w.long()], dim=1)
