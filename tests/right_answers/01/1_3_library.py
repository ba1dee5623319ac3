def cross_entropy(
    q: torch.Tensor, student_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(student_logits / temperature, q, reduction="none")
