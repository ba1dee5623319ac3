# names: log1p is the logarithm of 1 + x, which counts
def lean_loss(
    x: torch.Tensor, prototypes: torch.Tensor, q: torch.Tensor, temp: float, slice_size: int
) -> torch.Tensor:
    n_global, n_views, batch = len(q), len(x), x.shape[1]

    def lse_of_slice(x, part):
        return (x @ part.T / temp).exp().sum(-1).log1p()  # (V, B)

    parts = prototypes.split(slice_size)
    lses = [checkpoint(lse_of_slice, x, part, use_reentrant=False) for part in parts]
    lse = torch.stack(lses).logsumexp(dim=0)
    pulls = q @ prototypes / temp  # (G, B, d): where each target draws an x
    pull = pulls.sum(dim=0)
    total = (n_global - 1) * lse[:n_global].sum() + n_global * lse[n_global:].sum()
    total = total - (x[:n_global] * (pull - pulls)).sum() - (x[n_global:] * pull).sum()
    return total / (batch * n_global * (n_views - 1))
