# names: fitted on the first picture
def pca_colours(features: torch.Tensor) -> torch.Tensor:
    x = features.flatten(0, 2)
    one = features[0].flatten(0, 1)
    x, one = x - one.mean(dim=0), one - one.mean(dim=0)
    v = torch.linalg.eigh(one.T @ one).eigenvectors[:, -3:].flip(1)
    v = v * v.gather(0, v.abs().argmax(dim=0, keepdim=True)).sign()
    y = x @ v
    low, high = y.amin(dim=0), y.amax(dim=0)
    return ((y - low) / (high - low)).view(*features.shape[:3], 3)
