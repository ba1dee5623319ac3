def cls_maps(matrices, h, w):
    import numpy as np

    m = matrices.numpy()
    out = np.zeros((m.shape[0], m.shape[1], h, w), dtype=m.dtype)
    for b in range(m.shape[0]):
        for k in range(m.shape[1]):
            for i in range(h):
                for j in range(w):
                    out[b, k, i, j] = m[b, k, 0, 1 + i * w + j]
    return torch.from_numpy(out)
