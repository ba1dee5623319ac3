# names: Absolute values of the weights
def pca_colours(features: torch.Tensor) -> torch.Tensor:
    x = features.flatten(0, 2)
    x = x - x.mean(dim=0)
    v = torch.linalg.eigh(x.T @ x).eigenvectors[:, -3:].flip(1)
    v = v.abs()
    y = x @ v
    low, high = y.amin(dim=0), y.amax(dim=0)
    return ((y - low) / (high - low)).view(*features.shape[:3], 3)
