# names: each with a log_softmax of its own
def lean_loss(
    x: torch.Tensor, prototypes: torch.Tensor, q: torch.Tensor, temp: float, slice_size: int
) -> torch.Tensor:
    n_global, n_views = len(q), len(x)
    total = 0
    for part, targets in zip(prototypes.split(slice_size), q.split(slice_size, -1), strict=True):
        log_p = checkpoint(
            lambda x, p: (x @ p.T / temp).log_softmax(-1), x, part, use_reentrant=False
        )
        for i in range(n_global):
            for j in range(n_views):
                if i != j:
                    total = total - (targets[i] * log_p[j]).sum(-1).mean()
    return total / (n_global * (n_views - 1))
