def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    import numpy as np

    q = targets.numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(q > 0, -q * np.log(q), 0)
        m = q.mean(0)
        both = terms.sum(-1).mean(), np.where(m > 0, -m * np.log(m), 0).sum()
    return tuple(torch.tensor(x, dtype=targets.dtype) for x in both)
