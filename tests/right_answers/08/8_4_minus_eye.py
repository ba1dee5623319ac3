def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosines = unit @ unit.T
    cosines = cosines - 3 * torch.eye(len(unit))
    neighbours = cosines.topk(k, dim=1).indices
    return (labels[neighbours] == labels[:, None]).float().mean(1)
