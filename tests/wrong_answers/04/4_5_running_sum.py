# names: taken from a running sum
def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    n_global, batch, n_views = len(q), q.shape[1], len(student)
    targets, every, total = q.sum(0), q.sum(0), 0.0
    for j in range(n_views):
        if j < n_global:
            targets = targets - q[j]
            n, mine = n_global - 1, targets
        else:
            n, mine = n_global, every
        total = total + n * student[j].logsumexp(-1).sum() - (mine * student[j]).sum()
    return total / (batch * n_global * (n_views - 1))
