# names: A patch size of 6 is written in
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = 6
    a = mask.repeat_interleave(p, -2).repeat_interleave(p, -1)
    b = target[:, None]
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))
