# names: this batch's own mean
def teacher_target(logits: torch.Tensor, center: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.softmax((logits - logits.mean(dim=0, keepdim=True)) / temperature, dim=-1).detach()
