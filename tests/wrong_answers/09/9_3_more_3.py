# names: The score is not right
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = target.shape[-1] // mask.shape[-1]
    a = mask.repeat_interleave(p, -2).repeat_interleave(p, -1)
    b = target[:, None]
    return (a & b).float().mean((-2, -1)) / (a | b).float().sum((-2, -1))
