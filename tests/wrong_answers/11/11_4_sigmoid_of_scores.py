# names: sigmoid of standard scores
def pca_colours(features: torch.Tensor) -> torch.Tensor:
    centered = features - features.flatten(0, 2).mean(dim=0)
    x = centered.flatten(0, 2)
    v = torch.linalg.eigh(x.T @ x).eigenvectors[:, -3:].flip(1)
    v = v * v.gather(0, v.abs().argmax(dim=0, keepdim=True)).sign()
    y = centered @ v
    return torch.sigmoid(y / y.flatten(0, 2).std(dim=0))
