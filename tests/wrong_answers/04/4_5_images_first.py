# names: You took the dimensions for (B, V, K)
def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    batch, n_global, _ = q.shape
    n_views = student.shape[1]
    q_sum = q.sum(1, keepdim=True)
    lse = student.logsumexp(-1)
    total = (n_global - 1) * lse[:, :n_global].sum() + n_global * lse[:, n_global:].sum()
    total = total - (student[:, :n_global] * (q_sum - q)).sum()
    total = total - (student[:, n_global:] * q_sum).sum()
    return total / (batch * n_global * (n_views - 1))
