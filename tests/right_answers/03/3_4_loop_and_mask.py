def recolor(x: torch.Tensor, factors: torch.Tensor, solarized: torch.Tensor) -> torch.Tensor:
    def luma_of(image):
        return 0.299 * image[:1] + 0.587 * image[1:2] + 0.114 * image[2:]

    x = x.clone()
    for i in range(len(x)):
        b, c, s = factors[i]
        x[i] = (b * x[i]).clamp(0, 1)
        mean = luma_of(x[i]).mean()
        x[i] = (mean + c * (x[i] - mean)).clamp(0, 1)
        x[i] = torch.lerp(luma_of(x[i]).expand(3, -1, -1), x[i], s).clamp(0, 1)
    y = x[solarized]
    bright = y >= 128 / 255
    y[bright] = 1 - y[bright]
    x[solarized] = y
    return x
