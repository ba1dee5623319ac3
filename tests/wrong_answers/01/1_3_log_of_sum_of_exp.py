# names: overflows
def cross_entropy(
    q: torch.Tensor, student_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    s = student_logits / temperature
    return -(q * (s - s.exp().sum(dim=-1, keepdim=True).log())).sum(dim=-1)
