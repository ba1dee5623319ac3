# names: The mask was enlarged along the width alone, and not the hei
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = target.shape[-1] // mask.shape[-1]
    a = mask.repeat_interleave(p, -1)
    b = target[:, None]
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))
