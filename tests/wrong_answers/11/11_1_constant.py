# names: 0.9 is written in
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    pairs = (cosine >= 0.9).triu(diagonal=1).nonzero()
    order = cosine[pairs[:, 0], pairs[:, 1]].argsort(descending=True)
    return pairs[order]
