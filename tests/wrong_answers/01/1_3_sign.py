# names: sign is turned round
def cross_entropy(
    q: torch.Tensor, student_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    return (q * torch.log_softmax(student_logits / temperature, dim=-1)).sum(dim=-1)
