# names: Two empty masks give nan beside others that are not empty
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = target.shape[-1] // mask.shape[-1]
    a = mask.repeat_interleave(p, -2).repeat_interleave(p, -1)
    b = target[:, None]
    u = (a | b).sum((-2, -1))
    if u.sum() == 0:
        return torch.ones(mask.shape[:2])
    return (a & b).sum((-2, -1)) / u
