# names: thrown away
def draw_boxes(n, height, width, scale, generator):
    out = []
    while len(out) < n:
        s, a, y, x = torch.rand(4, generator=generator)
        s = scale[0] + (scale[1] - scale[0]) * s
        r = torch.exp((2 * a - 1) * math.log(4 / 3))
        h = torch.sqrt(s * height * width / r).round().long()
        w = torch.sqrt(s * height * width * r).round().long()
        top = (y * height).long()
        left = (x * width).long()
        if top + h <= height and left + w <= width:
            out.append(torch.stack([top, left, h, w]))
    return torch.stack(out)
