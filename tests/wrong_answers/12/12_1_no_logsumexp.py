# names: You left the logsumexp out
def lean_loss(
    x: torch.Tensor, prototypes: torch.Tensor, q: torch.Tensor, temp: float, slice_size: int
) -> torch.Tensor:
    n_global, n_views, batch = len(q), len(x), x.shape[1]
    pulls = q @ prototypes / temp
    pull = pulls.sum(dim=0)
    total = -(x[:n_global] * (pull - pulls)).sum() - (x[n_global:] * pull).sum()
    return total / (batch * n_global * (n_views - 1))
