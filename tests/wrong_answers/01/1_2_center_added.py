# names: added the center
def teacher_target(logits: torch.Tensor, center: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.softmax((logits + center) / temperature, dim=-1).detach()
