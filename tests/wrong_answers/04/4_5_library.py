# names: log-probabilities are written out
def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    terms = [
        F.cross_entropy(student[j], q[i])
        for i in range(len(q))
        for j in range(len(student))
        if i != j
    ]
    return sum(terms) / len(terms)
