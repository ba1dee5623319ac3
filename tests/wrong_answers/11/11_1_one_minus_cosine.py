# names: 1 - cos: the least alike are found
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    apart = 1 - unit @ unit.T
    pairs = (apart >= threshold).triu(diagonal=1).nonzero()
    return pairs[apart[pairs[:, 0], pairs[:, 1]].argsort(descending=True)]
