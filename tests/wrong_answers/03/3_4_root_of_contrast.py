# names: root of the contrast factor
def recolor(x: torch.Tensor, factors: torch.Tensor, solarized: torch.Tensor) -> torch.Tensor:
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(1)
    weights = torch.tensor([0.299, 0.587, 0.114], device=x.device).view(3, 1, 1)

    contrast = contrast.sqrt()

    def mix(x, reference, f):
        return (f * x + (1 - f) * reference).clamp(0, 1)

    def gray(x):
        return (x * weights).sum(dim=1, keepdim=True)

    x = mix(x, 0, brightness)
    x = mix(x, gray(x).mean(dim=(1, 2, 3), keepdim=True), contrast)
    x = mix(x, gray(x), saturation)
    invert = solarized[:, None, None, None] & (x >= 128 / 255)
    return torch.where(invert, 1 - x, x)
