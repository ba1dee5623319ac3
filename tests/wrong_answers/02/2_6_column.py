# names: You took the column
def cls_maps(matrices: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return rearrange(matrices[:, :, 1:, 0], "b heads (h w) -> b heads h w", h=h, w=w)
