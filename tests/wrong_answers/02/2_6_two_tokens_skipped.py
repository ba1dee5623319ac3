# names: You skipped two tokens
def cls_maps(matrices, h, w):
    r = F.pad(matrices[:, :, 0, 2:], (0, 1))
    return rearrange(r, "b k (h w) -> b k h w", h=h)
