def lean_loss(x, prototypes, q, temp, slice_size):
    x = x / temp
    n_global, n_views, batch = len(q), len(x), x.shape[1]
    q_sum = q.sum(0)
    targets = [q_sum - q[i] if i < n_global else q_sum for i in range(n_views)]

    def of_slice(x, part, *targets):
        lse, dots = [], []
        for view, target in zip(x, targets, strict=True):
            s = view @ part.T
            lse.append(s.logsumexp(-1))
            dots.append((s * target).sum())
        return torch.stack(lse), sum(dots)

    lses, dot = [], 0.0
    for first in range(0, len(prototypes), slice_size):
        cut = slice(first, first + slice_size)
        lse, part = checkpoint(
            of_slice, x, prototypes[cut], *[t[:, cut] for t in targets], use_reentrant=False
        )
        lses.append(lse)
        dot = dot + part
    lse = torch.logsumexp(torch.stack(lses), 0)
    counts = torch.tensor([n_global - (i < n_global) for i in range(n_views)], device=x.device)
    return ((lse.mean(1) * counts).sum() - dot / batch) / (n_global * (n_views - 1))
