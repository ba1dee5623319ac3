# names: log-probabilities are written out
def lean_loss(student: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    log_p = student.log_softmax(dim=-1)
    pairs = [(i, j) for i in range(len(q)) for j in range(len(student)) if i != j]
    return torch.stack([-(q[i] * log_p[j]).sum(-1).mean() for i, j in pairs]).mean()
