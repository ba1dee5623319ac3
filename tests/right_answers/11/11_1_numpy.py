def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    import numpy as np

    x = features.numpy().astype(np.float64)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosine = x @ x.T
    i, j = np.triu_indices(len(x), k=1)
    near = cosine[i, j] >= threshold
    i, j = i[near], j[near]
    order = np.argsort(-cosine[i, j])
    return torch.from_numpy(np.stack([i[order], j[order]], axis=1))
