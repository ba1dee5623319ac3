# names: Is a `return` missing
def update_center(
    center: torch.Tensor, teacher_logits: torch.Tensor, momentum: float
) -> torch.Tensor:
    mean = teacher_logits.detach().mean(0, keepdim=True)
    momentum * center + (1 - momentum) * mean
