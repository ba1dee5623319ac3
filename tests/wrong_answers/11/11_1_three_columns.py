# names: Each row has three numbers
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    found = [
        (i, j, cosine[i, j].item())
        for i in range(len(unit))
        for j in range(i + 1, len(unit))
        if cosine[i, j] >= threshold
    ]
    return torch.tensor(sorted(found, key=lambda p: -p[2])).view(-1, 3)
