def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    (n_global, batch, _), n_views = q.shape, len(student)
    counts = student.new_ones(n_global, n_views)
    counts[torch.arange(n_global), torch.arange(n_global)] = 0
    total = (counts.sum(0)[:, None] * student.logsumexp(dim=-1)).sum()
    q_sum = q.sum(dim=0)
    total = total - (student[:n_global] * (q_sum - q)).sum() - (student[n_global:] * q_sum).sum()
    return total / (counts.sum() * batch)
