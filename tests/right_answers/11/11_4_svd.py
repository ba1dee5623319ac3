def pca_colours(features: torch.Tensor) -> torch.Tensor:
    n, h, w, d = features.shape
    x = features.reshape(-1, d)
    x = x - x.mean(0, keepdim=True)
    _, _, vt = torch.linalg.svd(x, full_matrices=False)
    v = vt[:3]
    largest = v.abs().argmax(dim=1)
    v = v * torch.sign(v[torch.arange(3), largest])[:, None]
    y = x @ v.T
    y = y - y.min(dim=0).values
    return (y / y.max(dim=0).values).reshape(n, h, w, 3)
