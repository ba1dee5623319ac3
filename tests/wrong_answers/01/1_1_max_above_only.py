# names: above the fraction but not below
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    m = scores.amax(-1, keepdim=True)
    return ((scores - m) / temperature).exp() / (scores / temperature).exp().sum(-1, keepdim=True)
