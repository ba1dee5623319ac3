def update_center(
    center: torch.Tensor, teacher_logits: torch.Tensor, momentum: float
) -> torch.Tensor:
    mean = teacher_logits.detach().sum(0) / len(teacher_logits)
    return center + (1 - momentum) * (mean - center)
