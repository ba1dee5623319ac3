# names: bilinearly
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import interpolate

    a = interpolate(mask.float(), size=target.shape[-2:], mode="bilinear") > 0.5
    b = target[:, None]
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))
