# names: Every picture has its own scale
def pca_colours(features: torch.Tensor) -> torch.Tensor:
    x = features.flatten(0, 2)
    x = x - x.mean(dim=0)
    v = torch.linalg.eigh(x.T @ x).eigenvectors[:, -3:].flip(1)
    v = v * v.gather(0, v.abs().argmax(dim=0, keepdim=True)).sign()
    y = x @ v
    y = y.view(*features.shape[:3], 3)
    low, high = y.amin(dim=(1, 2), keepdim=True), y.amax(dim=(1, 2), keepdim=True)
    return (y - low) / (high - low)
