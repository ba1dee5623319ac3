# names: averaged the probabilities
def update_center(
    center: torch.Tensor, teacher_logits: torch.Tensor, momentum: float
) -> torch.Tensor:
    mean = teacher_logits.detach().softmax(-1).mean(0, keepdim=True)
    return momentum * center + (1 - momentum) * mean
