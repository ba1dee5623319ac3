def pca_colours(features: torch.Tensor) -> torch.Tensor:
    import numpy as np

    x = features.reshape(-1, features.shape[-1]).numpy().astype(np.float64)
    values, v = np.linalg.eigh(np.cov(x, rowvar=False))
    v = v[:, np.argsort(-values)[:3]]
    v = v * np.sign(v[np.abs(v).argmax(axis=0), np.arange(3)])
    y = (x - x.mean(axis=0)) @ v
    y = (y - y.min(axis=0)) / np.ptp(y, axis=0)
    return torch.from_numpy(y.reshape(*features.shape[:3], 3)).to(features.dtype)
