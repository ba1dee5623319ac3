# names: half precision
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.softmax((scores / temperature).half(), -1).float()
