def effective_rank(features: torch.Tensor) -> float:
    import numpy as np

    x = features.numpy().astype(np.float64)
    if (x == x[0]).all():
        return 0.0
    s = np.linalg.svd(x - x.mean(0), compute_uv=False)
    p = s / s.sum()
    p = p[p > 1e-12]
    return np.exp(-(p * np.log(p)).sum())
