# names: local views only
def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    (n_global, batch, _), n_views = q.shape, len(student)
    q_sum = q.sum(dim=0)
    lse = student.logsumexp(dim=-1)
    total = n_global * lse[n_global:].sum()
    total = total - (student[n_global:] * q_sum).sum()
    return total / (batch * n_global * (n_views - n_global))
