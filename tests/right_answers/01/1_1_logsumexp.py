def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    x = scores.div(temperature)
    return torch.exp(x - torch.logsumexp(x, -1, keepdim=True))
