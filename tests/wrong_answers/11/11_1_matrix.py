# names: A matrix came back
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    return (cosine >= threshold).triu(diagonal=1)
