# names: Every pair is there twice, (i, j) and (j, i)
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    pairs = ((cosine >= threshold) & ~torch.eye(len(unit), dtype=torch.bool)).nonzero()
    order = cosine[pairs[:, 0], pairs[:, 1]].argsort(descending=True)
    return pairs[order]
