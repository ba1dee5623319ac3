# names: You took the column
def cls_maps(matrices, h, w):
    return rearrange(matrices[:, :, 1:, 0], "b k (w h) -> b k h w", h=h)
