# names: Rows and columns of patches are swapped
def cls_maps(matrices: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return rearrange(matrices[:, :, 0, 1:], "b heads (w h) -> b heads h w", h=h, w=w)
