# names: 60% of its mass
def cls_maps(matrices, h, w):
    r = matrices[:, :, 0, 1:]
    s, i = r.sort(-1, descending=True)
    keep = s.cumsum(-1) - s < 0.6
    m = torch.zeros_like(r).scatter(-1, i, keep.float())
    return m.reshape(*r.shape[:2], h, w)
