# names: multiplied the shares by the number of patches
def cls_maps(matrices, h, w):
    return rearrange(matrices[:, :, 0, 1:], "b k (h w) -> b k h w", h=h) * h * w
