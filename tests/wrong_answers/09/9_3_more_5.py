# names: A patch size of 6 is written in
def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    target.shape[-1] // mask.shape[-1]
    a = torch.nn.functional.interpolate(mask.float(), scale_factor=6).bool()
    b = target[:, None]
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))
