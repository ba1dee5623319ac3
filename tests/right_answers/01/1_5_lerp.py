def update_center(
    center: torch.Tensor, teacher_logits: torch.Tensor, momentum: float
) -> torch.Tensor:
    with torch.no_grad():
        return torch.lerp(teacher_logits.mean(0, keepdim=True), center, momentum)
