# names: Gradients flow into the teacher
def teacher_target(logits: torch.Tensor, center: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.softmax((logits - center) / temperature, dim=-1)
