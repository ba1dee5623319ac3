# names: Self-matches are in it, and nothing is sorted
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    pairs = (cosine >= threshold).triu().nonzero()
    return pairs
