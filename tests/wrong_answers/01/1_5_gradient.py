# names: carries gradients from step to step
def update_center(
    center: torch.Tensor, teacher_logits: torch.Tensor, momentum: float
) -> torch.Tensor:
    return momentum * center + (1 - momentum) * teacher_logits.mean(0, keepdim=True)
