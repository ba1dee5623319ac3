# names: power of 2
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    e = 2 ** (scores / temperature)
    return e / e.sum(-1, keepdim=True)
