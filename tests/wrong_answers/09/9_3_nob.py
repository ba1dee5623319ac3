# names: The truth of image b was compared with head b, not with imag
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = target.shape[-1] // mask.shape[-1]
    a = mask.repeat_interleave(p, -2).repeat_interleave(p, -1)
    b = target
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))
