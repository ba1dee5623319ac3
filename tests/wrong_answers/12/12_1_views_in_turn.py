# names: It is the prototypes that are cut
def lean_loss(
    x: torch.Tensor, prototypes: torch.Tensor, q: torch.Tensor, temp: float, slice_size: int
) -> torch.Tensor:
    n_global, n_views, batch = len(q), len(x), x.shape[1]

    def lse_of_view(x, prototypes):
        return (x @ prototypes.T / temp).logsumexp(dim=-1)

    lses = [checkpoint(lse_of_view, view, prototypes, use_reentrant=False) for view in x]
    lse = torch.stack(lses)
    pulls = q @ prototypes / temp
    pull = pulls.sum(dim=0)
    total = (n_global - 1) * lse[:n_global].sum() + n_global * lse[n_global:].sum()
    total = total - (x[:n_global] * (pull - pulls)).sum() - (x[n_global:] * pull).sum()
    return total / (batch * n_global * (n_views - 1))
