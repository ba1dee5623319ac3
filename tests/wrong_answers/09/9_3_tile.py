# names: You tiled the mask (repeat) where each patch should be stret
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = target.shape[-1] // mask.shape[-1]
    a = mask.repeat(1, 1, p, p)
    b = target[:, None]
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))
