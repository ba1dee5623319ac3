# names: the sum over the rows
def update_center(
    center: torch.Tensor, teacher_logits: torch.Tensor, momentum: float
) -> torch.Tensor:
    total = teacher_logits.detach().sum(0, keepdim=True)
    return momentum * center + (1 - momentum) * total
