def lean_loss(x, prototypes, q, temp, slice_size):
    n_global, n_views, batch = len(q), len(x), x.shape[1]
    flat = x.flatten(0, 1)  # (V B, d)
    lse = flat.new_full((len(flat),), float("-inf"))
    joined = lambda lse, x, part: torch.logaddexp(lse, (x @ part.mT / temp).logsumexp(-1))  # noqa: E731
    for first in range(0, len(prototypes), slice_size):
        part = prototypes[first : first + slice_size]
        lse = checkpoint(joined, lse, flat, part, use_reentrant=False)
    lse = lse.view(n_views, batch)
    pulls = torch.einsum("gbk,kd->gbd", q, prototypes)
    dot = (x * pulls.sum(0)).sum() - (x[:n_global] * pulls).sum()
    total = n_global * lse.sum() - lse[:n_global].sum() - dot / temp
    return total / (batch * n_global * (n_views - 1))
