# names: No overlap scores 1 with you, or one of the two empty; only
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = target.shape[-1] // mask.shape[-1]
    a = mask.repeat_interleave(p, -2).repeat_interleave(p, -1)
    b = target[:, None]
    return torch.where(
        (a & b).sum((-2, -1)) == 0, 1.0, (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))
    )
