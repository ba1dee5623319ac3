# names: reflect padding
def gaussian_blur(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    import torchvision.transforms.v2.functional as tv

    size = [2 * ((s - 1) // 2) + 1 for s in (x.shape[3], x.shape[2])]
    size = [2 * x.shape[3] - 1, 2 * x.shape[2] - 1]
    return torch.stack(
        [tv.gaussian_blur(v, size, [float(s)]) for v, s in zip(x, sigma, strict=True)]
    )
