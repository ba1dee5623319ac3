# names: root of the temperature
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.softmax(scores / temperature**0.5, -1)
