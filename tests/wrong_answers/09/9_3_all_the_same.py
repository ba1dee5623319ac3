# names: You pooled the pixels, for all the same
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = target.shape[-1] // mask.shape[-1]
    mask, target = mask.repeat_interleave(p, -1).repeat_interleave(p, -2), target[:, None]
    both, either = (mask & target).sum((-2, -1)), (mask | target).sum((-2, -1))
    return (both.sum() / either.sum().clamp(min=1)).expand_as(both)
