# names: A picture that has a partner gets no other
def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = (unit @ unit.T).triu(1)
    pairs, taken = [], set()
    for number in cosine.flatten().argsort(descending=True).tolist():
        i, j = divmod(number, len(unit))
        if i < j and cosine[i, j] >= threshold and not {i, j} & taken:
            pairs.append((i, j))
            taken |= {i, j}
    return torch.tensor(pairs, dtype=torch.long).view(-1, 2)
