# names: zero padding
def gaussian_blur(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    views = []
    for image, s in zip(x, sigma, strict=True):
        d = torch.arange(-12.0, 13)
        kernel = torch.exp(-(d**2) / (2 * s**2))
        kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
        image = F.conv2d(image[None], kernel, padding=(0, 12), groups=3)
        views.append(F.conv2d(image, kernel.transpose(2, 3), padding=(12, 0), groups=3))
    return torch.cat(views)
