# names: You returned KL
def cross_entropy(
    q: torch.Tensor, student_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    log_p = torch.log_softmax(student_logits / temperature, dim=-1)
    return torch.nn.functional.kl_div(log_p, q, reduction="none").sum(dim=-1)
