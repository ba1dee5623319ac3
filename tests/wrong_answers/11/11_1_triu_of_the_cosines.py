# names: triu made zeros of these cosines
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    pairs = (torch.triu(cosine, diagonal=1) >= threshold).nonzero()
    return pairs[cosine[pairs[:, 0], pairs[:, 1]].argsort(descending=True)]
