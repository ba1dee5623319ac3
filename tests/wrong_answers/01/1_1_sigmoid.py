# names: sigmoid
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.sigmoid(scores / temperature)
