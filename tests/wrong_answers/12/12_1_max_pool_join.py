# names: Large scores give inf or nan: exp overflows.
def lean_loss(x, prototypes, q, temp, slice_size):
    n_global, n_views = len(q), len(x)
    running = torch.zeros(x.shape[:2])
    for i in range(0, len(prototypes), slice_size):
        running = running + (x @ prototypes[i : i + slice_size].T / temp).exp().sum(-1)
    lse = running.log()
    loss = 0
    for i in range(n_global):
        for j in range(n_views):
            if i != j:
                loss = loss + (lse[j] - (q[i] * (x[j] @ prototypes.T / temp)).sum(-1)).mean()
    return loss / (n_global * (n_views - 1))
