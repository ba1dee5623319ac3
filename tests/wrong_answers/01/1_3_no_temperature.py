# names: did not divide the student
def cross_entropy(
    q: torch.Tensor, student_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    return -(q * torch.log_softmax(student_logits, dim=-1)).sum(dim=-1)
