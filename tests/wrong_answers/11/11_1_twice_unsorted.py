# names: Every pair is there twice, (i, j) and (j, i), and nothing is sorted
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    pairs = ((cosine >= threshold) & ~torch.eye(len(unit), dtype=torch.bool)).nonzero()
    return pairs
