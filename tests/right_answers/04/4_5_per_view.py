def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    q_sum, total, pairs = q.sum(0), 0.0, 0
    for j, s in enumerate(student):
        own = j < len(q)
        target = q_sum - q[j] if own else q_sum
        n = len(q) - own
        total = total + (n * s.logsumexp(-1) - (target * s).sum(-1)).mean()
        pairs += n
    return total / pairs
