def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    import numpy as np

    z = scores.numpy() / temperature
    e = np.exp(z - z.max(-1, keepdims=True))
    return torch.from_numpy(e / e.sum(-1, keepdims=True))
