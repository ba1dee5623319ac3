# names: logarithms of probabilities
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.log_softmax(scores / temperature, dim=-1)
