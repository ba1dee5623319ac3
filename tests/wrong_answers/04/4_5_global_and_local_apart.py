# names: You averaged global and local views apart
def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    g = len(q)
    q_sum, lse = q.sum(0), student.logsumexp(-1)
    ours = ((g - 1) * lse[:g] - (student[:g] * (q_sum - q)).sum(-1)).mean() / max(g - 1, 1)
    local = (g * lse[g:] - (student[g:] * q_sum).sum(-1)).mean() / g
    return (ours + local) / 2
