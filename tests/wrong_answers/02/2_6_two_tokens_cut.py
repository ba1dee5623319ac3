# names: As many numbers must come out as went in
def cls_maps(matrices, h, w):
    r = matrices[:, :, 0, 2:]
    return rearrange(r, "b k (h w) -> b k h w", h=h)
