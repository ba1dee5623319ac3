def gaussian_blur(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    def smear(image, s):
        d = torch.arange(-12.0, 13, device=image.device)
        kernel = torch.exp(-(d**2) / (2 * s**2)).view(1, 1, 1, -1)
        image = F.conv2d(image[:, None], kernel, padding=(0, 12))
        return F.conv2d(image, kernel.transpose(2, 3), padding=(12, 0))[:, 0]

    pairs = list(zip(x, sigma, strict=True))
    return torch.stack([smear(v, s) / smear(torch.ones_like(v), s) for v, s in pairs])
