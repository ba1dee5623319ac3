# names: divided after the softmax
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.softmax(scores, dim=-1) / temperature
