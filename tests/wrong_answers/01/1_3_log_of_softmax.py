# names: takes the log of 0
def cross_entropy(
    q: torch.Tensor, student_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    p = torch.softmax(student_logits / temperature, dim=-1)
    return -(q * p.log()).sum(dim=-1)
