# names: You left the query's own image out but divided by k + 1
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    neighbours = cosine.topk(k + 1, dim=1).indices
    return ((labels[neighbours] == labels[:, None]).sum(1) - 1) / (k + 1)
