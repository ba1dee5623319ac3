def teacher_target(logits: torch.Tensor, center: torch.Tensor, temperature: float) -> torch.Tensor:
    with torch.no_grad():
        return ((logits - center) / temperature).softmax(-1)
