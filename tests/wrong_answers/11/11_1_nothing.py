# names: its cosine is 1.000
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    return torch.zeros(0, 2, dtype=torch.long)
