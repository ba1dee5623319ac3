# names: //
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.softmax(scores // temperature, -1)
