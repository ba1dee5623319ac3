# names: after the logarithm
def cross_entropy(
    q: torch.Tensor, student_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    return -(q * torch.log_softmax(student_logits, dim=-1) / temperature).sum(dim=-1)
