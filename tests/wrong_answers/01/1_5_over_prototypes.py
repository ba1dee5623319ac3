# names: averaged over the prototypes
def update_center(
    center: torch.Tensor, teacher_logits: torch.Tensor, momentum: float
) -> torch.Tensor:
    mean = teacher_logits.detach().mean(-1, keepdim=True)
    return momentum * center + (1 - momentum) * mean
