def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    x = scores / temperature
    e = (x - x.amax(dim=-1, keepdim=True)).exp()
    return e / e.sum(dim=-1, keepdim=True)
