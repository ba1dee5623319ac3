# names: sum over the whole batch
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    e = (scores / temperature).exp()
    return e / e.sum()
