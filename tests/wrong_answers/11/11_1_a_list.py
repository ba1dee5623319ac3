# names: return them as a tensor, int64 (P, 2)
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    found = [
        (cosine[i, j].item(), i, j)
        for i in range(len(unit))
        for j in range(i + 1, len(unit))
        if cosine[i, j] >= threshold
    ]
    return [(i, j) for _, i, j in sorted(found, reverse=True)]
