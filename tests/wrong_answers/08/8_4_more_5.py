# names: You divided the size of the query's class by k
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(-torch.inf)
    cosine.topk(k, dim=1).indices
    return torch.bincount(labels)[labels] / k
