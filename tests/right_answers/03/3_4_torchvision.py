def recolor(x: torch.Tensor, factors: torch.Tensor, solarized: torch.Tensor) -> torch.Tensor:
    import torchvision.transforms.v2.functional as tv

    out = []
    for image, f, invert in zip(x, factors.tolist(), solarized, strict=True):
        image = tv.adjust_brightness(image, f[0])
        image = tv.adjust_contrast(image, f[1])
        image = tv.adjust_saturation(image, f[2])
        out.append(tv.solarize(image, 128 / 255) if invert else image)
    return torch.stack(out)
