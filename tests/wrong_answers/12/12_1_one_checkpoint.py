# names: one checkpoint a slice
def lean_loss(
    x: torch.Tensor, prototypes: torch.Tensor, q: torch.Tensor, temp: float, slice_size: int
) -> torch.Tensor:
    n_global, n_views, batch = len(q), len(x), x.shape[1]

    def lse_of_all(x, prototypes):
        parts = prototypes.split(slice_size)
        return torch.stack([(x @ p.T / temp).logsumexp(dim=-1) for p in parts]).logsumexp(dim=0)

    lse = checkpoint(lse_of_all, x, prototypes, use_reentrant=False)
    pulls = q @ prototypes / temp
    pull = pulls.sum(dim=0)
    total = (n_global - 1) * lse[:n_global].sum() + n_global * lse[n_global:].sum()
    total = total - (x[:n_global] * (pull - pulls)).sum() - (x[n_global:] * pull).sum()
    return total / (batch * n_global * (n_views - 1))
