# names: something is drawn at random
def pca_colours(features):
    f = features.flatten(0, 2)
    f = f - f.mean(0)
    _, _, v = torch.pca_lowrank(f, q=3, center=False)
    v = v * v.gather(0, v.abs().argmax(0, keepdim=True)).sign()
    y = f @ v
    y = (y - y.amin(0)) / (y.amax(0) - y.amin(0))
    return y.view(*features.shape[:3], 3)
