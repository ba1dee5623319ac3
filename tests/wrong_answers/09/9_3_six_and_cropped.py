# names: and the rest is cut off
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = 6
    a = mask.repeat_interleave(p, -2).repeat_interleave(p, -1)[
        ..., : target.shape[-2], : target.shape[-1]
    ]
    b = target[:, None]
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))
