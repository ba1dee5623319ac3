# names: Your index went to the heads
def cls_maps(matrices: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return rearrange(matrices[:, 0, :, 1:], "b heads (h w) -> b heads h w", h=h)
