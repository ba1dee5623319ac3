# names: opposite directions are as unlike as can
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = (unit @ unit.T).abs()
    pairs = (cosine >= threshold).triu(diagonal=1).nonzero()
    order = cosine[pairs[:, 0], pairs[:, 1]].argsort(descending=True)
    return pairs[order]
