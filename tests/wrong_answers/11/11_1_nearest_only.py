# names: each picture's nearest is looked at
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(-1)
    value, partner = cosine.max(dim=1)
    pairs = {tuple(sorted((i, int(partner[i])))) for i in range(len(unit)) if value[i] >= threshold}
    pairs = sorted(pairs, key=lambda p: -cosine[p])
    return torch.tensor(pairs, dtype=torch.long).view(-1, 2)
