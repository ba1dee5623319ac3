# names: The query's own image is among its neighbours
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    neighbours = cosine.topk(k + 1, dim=1).indices[:, :-1]
    return (labels[neighbours] == labels[:, None]).float().mean(dim=1)
