# names: whole numbers, 0 to 255 (cut
def pca_colours(features):
    f = features.flatten(0, 2)
    f = f - f.mean(0)
    v = torch.linalg.svd(f, full_matrices=False).Vh[:3].T
    v = v * v.gather(0, v.abs().argmax(0, keepdim=True)).sign()
    y = f @ v
    y = (y - y.amin(0)) / (y.amax(0) - y.amin(0))
    return (255 * y.view(*features.shape[:3], 3)).byte()
