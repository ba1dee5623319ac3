# names: 2% and 98%
def pca_colours(features: torch.Tensor) -> torch.Tensor:
    x = features.flatten(0, 2)
    x = x - x.mean(dim=0)
    v = torch.linalg.eigh(x.T @ x).eigenvectors[:, -3:].flip(1)
    v = v * v.gather(0, v.abs().argmax(dim=0, keepdim=True)).sign()
    y = x @ v
    low, high = torch.quantile(y, 0.02, dim=0), torch.quantile(y, 0.98, dim=0)
    return ((y - low) / (high - low)).clamp(0, 1).view(*features.shape[:3], 3)
