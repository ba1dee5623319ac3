def jaccard(mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    import numpy as np

    p = target.shape[-1] // mask.shape[-1]
    a = np.kron(mask.numpy(), np.ones((p, p), dtype=bool))
    b = target.numpy()[:, None]
    both, either = (a & b).sum((-2, -1)), (a | b).sum((-2, -1))
    return torch.tensor([[x / y if y else 1.0 for x, y in zip(*r)] for r in zip(both, either)])
