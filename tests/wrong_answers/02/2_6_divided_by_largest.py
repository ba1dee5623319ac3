# names: each map's largest value
def cls_maps(matrices: torch.Tensor, h: int, w: int) -> torch.Tensor:
    row = matrices[:, :, 0, 1:]
    return (row / row.amax(-1, keepdim=True)).unflatten(-1, (h, w))
