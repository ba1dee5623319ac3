# names: divided the logits by the temperature but not the center
def teacher_target(logits: torch.Tensor, center: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.softmax(logits / temperature - center, dim=-1).detach()
