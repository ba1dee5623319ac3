# names: keepdim
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    e = (scores / temperature).exp()
    return e / e.sum(-1)
