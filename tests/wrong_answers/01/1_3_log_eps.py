# names: puts a ceiling on the loss
def cross_entropy(
    q: torch.Tensor, student_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    p = torch.softmax(student_logits / temperature, dim=-1)
    return -(q * (p + 1e-6).log()).sum(dim=-1)
