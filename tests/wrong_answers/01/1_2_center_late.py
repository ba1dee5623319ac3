# names: took the center from the probabilities
def teacher_target(logits: torch.Tensor, center: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.softmax(logits / temperature, dim=-1).detach() - center
