def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    g, b, _ = q.shape
    v = student.size(0)
    lse = torch.logsumexp(student, 2)
    every = g * lse.sum() - torch.einsum("vbk,bk->", student, q.sum(0))
    own = lse[:g].sum() - torch.einsum("gbk,gbk->", student[:g], q)
    return (every - own) / ((g * v - g) * b)
