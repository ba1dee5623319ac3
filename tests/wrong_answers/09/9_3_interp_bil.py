# names: You enlarged the mask bilinearly
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    target.shape[-1] // mask.shape[-1]
    a = torch.nn.functional.interpolate(mask.float(), size=target.shape[-2:], mode="bilinear") > 0.5
    b = target[:, None]
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))
