# names: times the size of the student's logits is kept
def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    (n_global, batch, _k), n_views = q.shape, len(student)
    targets = torch.cat([q.sum(0) - q, q.sum(0).repeat(n_views - n_global, 1, 1)])
    n = torch.full((n_views, 1), n_global, device=q.device)
    n[:n_global] -= 1
    total = (n * student.logsumexp(-1)).sum() - (student * targets).sum()
    return total / (batch * n_global * (n_views - 1))
