# names: Your neighbours are the nearest by Euclidean distance
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    F.normalize(features, dim=1)
    cosine = torch.cdist(features, features).fill_diagonal_(torch.inf)
    neighbours = cosine.topk(k, dim=1, largest=False).indices
    return (labels[neighbours] == labels[:, None]).float().mean(dim=1)
