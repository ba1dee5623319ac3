# names: somebody's twin is left out
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    deleted, pairs = set(), []
    for i in range(len(unit)):
        for j in range(i + 1, len(unit)):
            if cosine[i, j] >= threshold and i not in deleted and j not in deleted:
                deleted.add(j)
                pairs.append((i, j))
    pairs.sort(key=lambda p: -cosine[p])
    return torch.tensor(pairs, dtype=torch.long).view(-1, 2)
