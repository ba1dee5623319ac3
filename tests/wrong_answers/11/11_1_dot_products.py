# names: a long feature is near to everything
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = features
    cosine = unit @ unit.T
    pairs = (cosine >= threshold).triu(diagonal=1).nonzero()
    order = cosine[pairs[:, 0], pairs[:, 1]].argsort(descending=True)
    return pairs[order]
