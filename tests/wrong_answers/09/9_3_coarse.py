# names: brought the truth down
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = target.shape[-1] // mask.shape[-1]
    a = mask
    b = target[:, None, ::p, ::p]
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))
