# names: distribution is over prototypes
def teacher_target(logits: torch.Tensor, center: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.softmax((logits - center) / temperature, dim=0).detach()
