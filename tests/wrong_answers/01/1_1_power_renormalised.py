# names: What the first softmax rounded
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    p = torch.softmax(scores, -1) ** (1 / temperature)
    return p / p.sum(-1, keepdim=True)
