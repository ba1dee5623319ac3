# names: row of a patch, the first
def cls_maps(matrices: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return rearrange(matrices[:, :, 1, 1:], "b heads (h w) -> b heads h w", h=h, w=w)
