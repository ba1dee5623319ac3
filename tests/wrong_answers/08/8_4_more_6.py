# names: Your result has one number for each *rank*, (k,)
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(-torch.inf)
    neighbours = cosine.topk(k, dim=0).indices
    return (labels[neighbours] == labels).float().mean(1)
