# names: Dot products of the features as they came
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = features
    cosine = unit @ unit.T
    pairs = (cosine >= threshold).triu(diagonal=1).nonzero()
    return pairs
