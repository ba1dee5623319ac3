# names: You took a sigmoid
def pca_colours(features: torch.Tensor) -> torch.Tensor:
    x = features.flatten(0, 2)
    x = x - x.mean(dim=0)
    v = torch.linalg.eigh(x.T @ x).eigenvectors[:, -3:].flip(1)
    v = v * v.gather(0, v.abs().argmax(dim=0, keepdim=True)).sign()
    y = x @ v
    low, high = y.amin(dim=0), y.amax(dim=0)
    return y.sigmoid().view(*features.shape[:3], 3)
