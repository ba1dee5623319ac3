def cls_maps(matrices, h, w):
    b, n = matrices.shape[:2]
    return F.fold(matrices[:, :, 0, 1:].reshape(b, n, -1), (h, w), 1)
