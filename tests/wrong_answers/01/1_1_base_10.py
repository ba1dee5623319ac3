# names: power of 10
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    e = 10 ** (scores / temperature)
    return e / e.sum(-1, keepdim=True)
