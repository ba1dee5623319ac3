def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    lse = torch.logsumexp(student, dim=-1)
    terms = []
    for i in range(q.shape[0]):
        for j in range(student.shape[0]):
            if i != j:
                terms.append(lse[j] - torch.einsum("bk,bk->b", q[i], student[j]))
    return torch.stack(terms).mean()
