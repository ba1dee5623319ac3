# names: softmax over dim 1
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.softmax(scores / temperature, dim=1)
