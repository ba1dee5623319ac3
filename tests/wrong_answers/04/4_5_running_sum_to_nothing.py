# names: nothing of it is left for the local views
def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    n_global, batch, n_views = len(q), q.shape[1], len(student)
    targets, total = q.sum(0), 0.0
    for j in range(n_views):
        if j < n_global:
            targets = targets - q[j]
        n = n_global - (j < n_global)
        total = total + n * student[j].logsumexp(-1).sum() - (targets * student[j]).sum()
    return total / (batch * n_global * (n_views - 1))
