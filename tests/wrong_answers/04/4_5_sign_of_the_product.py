# names: The sign of the product is turned round
def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    (n_global, batch, _k), n_views = q.shape, len(student)
    q_sum = q.sum(dim=0)
    lse = student.logsumexp(dim=-1)
    total = (n_global - 1) * lse[:n_global].sum() + n_global * lse[n_global:].sum()
    total = total + (student[:n_global] * (q_sum - q)).sum()
    total = total + (student[n_global:] * q_sum).sum()
    return total / (batch * n_global * (n_views - 1))
