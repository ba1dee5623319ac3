# names: You returned the sum of everything
def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    n_global = len(q)
    q_sum = q.sum(dim=0)
    lse = student.logsumexp(dim=-1)
    total = (n_global - 1) * lse[:n_global].sum() + n_global * lse[n_global:].sum()
    total = total - (student[:n_global] * (q_sum - q)).sum()
    total = total - (student[n_global:] * q_sum).sum()
    return total
