# names: times the size of the student's logits is kept
def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    (n_global, batch, _), n_views = q.shape, len(student)
    q_sum = q.sum(dim=0)
    targets = torch.cat([q_sum - q, q_sum.expand(n_views - n_global, -1, -1)])
    n = targets.sum(dim=-1)
    total = (n * student.logsumexp(dim=-1)).sum() - (targets * student).sum()
    return total / (batch * n_global * (n_views - 1))
