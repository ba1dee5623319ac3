def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import interpolate

    a = interpolate(mask.float(), size=target.shape[-2:], mode="nearest")
    b = target[:, None].float()
    overlap = (a * b).sum((-2, -1))
    union = (a + b).clamp(max=1).sum((-2, -1))
    return (overlap + 1e-6) / (union + 1e-6)
