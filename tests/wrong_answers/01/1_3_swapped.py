# names: You swapped the two
def cross_entropy(
    q: torch.Tensor, student_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    p = torch.softmax(student_logits / temperature, dim=-1)
    return -(p * q.log()).sum(dim=-1)
