# names: written out for every view
def lean_loss(x, prototypes, q, temp, slice_size):
    n_global, n_views, batch = len(q), len(x), x.shape[1]
    total = q.sum(0)
    targets = torch.cat([total - q, total.expand(n_views - n_global, -1, -1)])

    def of_slice(x, part, target):
        s = x @ part.T / temp
        return s.logsumexp(-1), (s * target).sum()

    lses, dot = [], 0.0
    for part, target in zip(
        prototypes.split(slice_size), targets.split(slice_size, dim=-1), strict=True
    ):
        lse, pulled = checkpoint(of_slice, x, part, target, use_reentrant=False)
        lses.append(lse)
        dot = dot + pulled
    lse = torch.stack(lses).logsumexp(0)
    total = n_global * lse.sum() - lse[:n_global].sum() - dot
    return total / (batch * n_global * (n_views - 1))
