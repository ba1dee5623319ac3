# names: denominator
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    e = ((scores - scores.amax(-1, keepdim=True)) / temperature).exp()
    return e / (e.sum(-1, keepdim=True) + 1e-3)
