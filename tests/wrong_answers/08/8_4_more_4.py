# names: This is the error, the share of wrong neighbours
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(-torch.inf)
    neighbours = cosine.topk(k, dim=1).indices
    return (labels[neighbours] != labels[:, None]).float().mean(1)
