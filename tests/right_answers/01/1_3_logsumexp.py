def cross_entropy(
    q: torch.Tensor, student_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    s = student_logits / temperature
    return s.logsumexp(dim=1) - torch.einsum("nk,nk->n", q, s)
