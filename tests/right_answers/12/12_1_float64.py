def lean_loss(x, prototypes, q, temp, slice_size):
    x, prototypes, q = x.double(), prototypes.double(), q.double()
    n_global, n_views, batch = len(q), len(x), x.shape[1]
    parts = prototypes.split(slice_size)
    lses = [
        checkpoint(lambda a, w: (w @ a.mT / temp).logsumexp(-2), x, part, use_reentrant=False)
        for part in parts
    ]
    lse = torch.stack(lses).logsumexp(0)
    pulls = q @ prototypes / temp
    total = n_global * lse.sum() - lse[:n_global].sum()
    total = total - (x * pulls.sum(0)).sum() + (x[:n_global] * pulls).sum()
    return total / (batch * n_global * (n_views - 1))
