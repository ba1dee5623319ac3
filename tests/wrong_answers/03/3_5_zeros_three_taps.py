# names: count zeros (zero padding)
def gaussian_blur(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    views = []
    for image, s in zip(x, sigma, strict=True):
        d = torch.arange(-1.0, 1.0 + 1)
        kernel = torch.exp(-(d**2) / (2 * s**2))
        kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
        image = F.pad(image[None], (1,) * 4, mode="constant")
        image = F.conv2d(image, kernel, groups=3)
        views.append(F.conv2d(image, kernel.transpose(2, 3), groups=3))
    return torch.cat(views)
