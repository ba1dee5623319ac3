# names: height and width of the pixels are swapped
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = tuple(target.shape[-2:])[::-1]
    a = torch.nn.functional.interpolate(mask.float(), size=p, mode="nearest").bool()
    b = target[:, None]
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))
