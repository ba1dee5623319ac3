# names: come in the order of their numbers
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    pairs = (cosine >= threshold).triu(diagonal=1).nonzero()
    return pairs
