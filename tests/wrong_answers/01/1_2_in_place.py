# names: changes a tensor it was given
def teacher_target(logits: torch.Tensor, center: torch.Tensor, temperature: float) -> torch.Tensor:
    logits = logits.detach()
    logits -= center
    return torch.softmax(logits / temperature, dim=-1)
