# names: Old and new are swapped
def update_center(
    center: torch.Tensor, teacher_logits: torch.Tensor, momentum: float
) -> torch.Tensor:
    return (1 - momentum) * center + momentum * teacher_logits.detach().mean(0, keepdim=True)
