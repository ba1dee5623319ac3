# names: 0.9 for the student's temperature
def cross_entropy(
    q: torch.Tensor, student_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    return -(q * torch.log_softmax(student_logits / 0.9, dim=-1)).sum(dim=-1)
