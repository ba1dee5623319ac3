# names: a type is
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.softmax(scores.float() / temperature, -1)
