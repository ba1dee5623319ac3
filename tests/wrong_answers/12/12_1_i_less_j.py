# names: You have the pairs i < j only. A student's
def lean_loss(x, prototypes, q, temp, slice_size):
    n_global, n_views = len(q), len(x)
    lse = torch.stack(
        [
            checkpoint(lambda a, w: (a @ w.T / temp).logsumexp(-1), x, w, use_reentrant=False)
            for w in prototypes.split(slice_size)
        ]
    ).logsumexp(0)
    pulls = q @ prototypes / temp
    terms = [
        (lse[j] - (pulls[i] * x[j]).sum(-1)).mean()
        for i in range(n_global)
        for j in range(i + 1, n_views)
    ]
    return sum(terms) / len(terms)
