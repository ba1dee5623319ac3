# names: nearest by Euclidean distance
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    distance = torch.cdist(features, features).fill_diagonal_(torch.inf)
    neighbours = distance.topk(k, dim=1, largest=False).indices
    return (labels[neighbours] == labels[:, None]).float().mean(dim=1)
