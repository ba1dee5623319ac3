# names: lost its dimensions of size 1
def cls_maps(matrices, h, w):
    return rearrange(matrices[:, :, 0, 1:], "b k (h w) -> b k h w", h=h).squeeze()
