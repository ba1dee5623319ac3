def resize_matrix(start: int, length: int, size_in: int, size_out: int) -> torch.Tensor:
    import numpy as np

    step = length / size_out
    center = (np.arange(size_out) + 0.5) * step
    distance = np.abs(np.arange(length)[None] + 0.5 - center[:, None]) / max(1.0, step)
    weights = np.maximum(0, 1 - distance)
    matrix = np.zeros((size_out, size_in))
    matrix[:, start : start + length] = weights / weights.sum(1, keepdims=True)
    return torch.from_numpy(matrix)
