# names: You averaged over the heads
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = target.shape[-1] // mask.shape[-1]
    mask, target = mask.repeat_interleave(p, -1).repeat_interleave(p, -2), target[:, None]
    both, either = (mask & target).sum((-2, -1)), (mask | target).sum((-2, -1))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0).mean(dim=1)
