# names: brightness factor changed the contrast
def recolor(x: torch.Tensor, factors: torch.Tensor, solarized: torch.Tensor) -> torch.Tensor:
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(1)
    luma = x.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)

    def mix(x, reference, f):
        return (f * x + (1 - f) * reference).clamp(0, 1)

    def gray(x):
        return (x * luma).sum(1, keepdim=True)

    x = mix(x, 0, contrast)
    x = mix(x, gray(x).mean((1, 2, 3), keepdim=True), brightness)
    x = mix(x, gray(x), saturation)
    return torch.where(solarized.view(-1, 1, 1, 1) & (x >= 128 / 255), 1 - x, x)
