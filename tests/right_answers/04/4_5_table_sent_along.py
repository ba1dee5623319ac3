def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    (n_global, batch, _), n_views = q.shape, len(student)
    counts = 1 - torch.eye(n_global, n_views).type_as(student)
    total = (counts.sum(0)[:, None] * student.logsumexp(dim=-1)).sum()
    q_sum = q.sum(dim=0)
    total = total - (student[:n_global] * (q_sum - q)).sum() - (student[n_global:] * q_sum).sum()
    return total / (counts.sum() * batch)
