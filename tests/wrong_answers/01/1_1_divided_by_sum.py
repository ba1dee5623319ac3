# names: divided the scores by their sum
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    z = scores / temperature
    return z / z.sum(-1, keepdim=True)
