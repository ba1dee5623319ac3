import numpy as np


def sinkhorn(scores, epsilon, iterations):
    x = scores.detach().cpu().numpy().astype(np.float64) / epsilon
    q = np.exp(x - x.max())
    for _ in range(iterations):
        q = q / q.sum(axis=0, keepdims=True)
        q = q / q.sum(axis=1, keepdims=True)
    return torch.from_numpy(q).to(device=scores.device, dtype=scores.dtype)
