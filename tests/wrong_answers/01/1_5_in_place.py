# names: changes a tensor it was given
def update_center(
    center: torch.Tensor, teacher_logits: torch.Tensor, momentum: float
) -> torch.Tensor:
    center *= momentum
    center += (1 - momentum) * teacher_logits.detach().mean(0, keepdim=True)
    return center
