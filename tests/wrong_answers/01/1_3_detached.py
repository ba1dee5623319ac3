# names: No gradient reaches the student
def cross_entropy(
    q: torch.Tensor, student_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    log_p = torch.log_softmax(student_logits.detach() / temperature, dim=-1)
    return -(q * log_p).sum(dim=-1)
