# names: one-hot
def sharpen(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.nn.functional.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)
