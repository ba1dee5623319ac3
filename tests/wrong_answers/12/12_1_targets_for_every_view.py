# names: written out for every view
def lean_loss(x, prototypes, q, temp, slice_size):
    n_global, n_views, batch = len(q), len(x), x.shape[1]
    parts = prototypes.split(slice_size)
    lses = [
        checkpoint(lambda a, w: (a @ w.T / temp).logsumexp(-1), x, w, use_reentrant=False)
        for w in parts
    ]
    lse = torch.stack(lses).logsumexp(0)
    targets = q.sum(0).repeat(n_views, 1, 1)
    targets[:n_global] -= q
    total = n_global * lse.sum() - lse[:n_global].sum()
    total = total - (targets @ prototypes * x).sum() / temp
    return total / (batch * n_global * (n_views - 1))
