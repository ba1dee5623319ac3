# names: thrown away
def draw_boxes(n, height, width, scale, generator):
    def u(a, b):
        return a + (b - a) * torch.rand(n, generator=generator)

    while True:
        s, r = u(*scale), torch.exp(u(math.log(3 / 4), math.log(4 / 3)))
        h = torch.sqrt(s * height * width / r).round().long()
        w = torch.sqrt(s * height * width * r).round().long()
        top = (u(0, 1) * height).long()
        left = (u(0, 1) * width).long()
        if ((top + h <= height) & (left + w <= width)).all():
            return torch.stack([top, left, h, w], 1)
