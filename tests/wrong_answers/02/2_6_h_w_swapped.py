# names: h and w are swapped
def cls_maps(matrices: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return matrices[:, :, 0, 1:].unflatten(-1, (w, h))
