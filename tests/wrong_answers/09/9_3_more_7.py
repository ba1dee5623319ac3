# names: You brought the truth down to the patches
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = target.shape[-1] // mask.shape[-1]
    a = mask
    b = torch.nn.functional.max_pool2d(target[:, None].float(), p).bool()
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))
