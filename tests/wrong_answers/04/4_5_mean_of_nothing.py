# names: Without local views your loss is wrong
def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    g, v = len(q), len(student)
    q_sum, lse = q.sum(0), student.logsumexp(-1)
    ours = ((g - 1) * lse[:g] - (student[:g] * (q_sum - q)).sum(-1)).mean()
    local = (g * lse[g:] - (student[g:] * q_sum).sum(-1)).mean()
    return (g * ours + (v - g) * local) / (g * (v - 1))
