# names: You took the logsumexp over the views
def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    (n_global, _batch, _k), n_views = q.shape, len(student)
    log_p = student - student.logsumexp(dim=0)
    terms = [-(q[i] * log_p[j]).sum(-1) for i in range(n_global) for j in range(n_views) if i != j]
    return torch.stack(terms).mean()
