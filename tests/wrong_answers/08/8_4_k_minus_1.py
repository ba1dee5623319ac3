# names: k - 1 others
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    neighbours = cosine.topk(max(k, 2), dim=1).indices[:, 1:]
    return (labels[neighbours] == labels[:, None]).float().mean(dim=1)
