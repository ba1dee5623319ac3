# names: You draw size and place together
def draw_boxes(n, height, width, scale, generator):
    def one(k):
        def u(a, b):
            return a + (b - a) * torch.rand(k, generator=generator)

        s, r = u(*scale), torch.exp(u(math.log(3 / 4), math.log(4 / 3)))
        h = torch.sqrt(s * height * width / r).round().long()
        w = torch.sqrt(s * height * width * r).round().long()
        top = (u(0, 1) * height).long()
        left = (u(0, 1) * width).long()
        return torch.stack([top, left, h, w], 1)

    box = one(n)
    while True:
        bad = (box[:, 0] + box[:, 2] > height) | (box[:, 1] + box[:, 3] > width)
        if not bad.any():
            return box
        box = torch.where(bad[:, None], one(n), box)
