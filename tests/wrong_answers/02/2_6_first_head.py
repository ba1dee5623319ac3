# names: Only the first head is there
def cls_maps(matrices, h, w):
    return matrices[:, 0, 0, 1:].reshape(-1, h, w)
