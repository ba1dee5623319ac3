# names: each row's own largest
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    e = ((scores - scores.max()) / temperature).exp()
    return e / e.sum(-1, keepdim=True)
