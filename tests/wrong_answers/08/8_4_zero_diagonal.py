# names: own image is an answer again
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosines = unit @ unit.T
    cosines.fill_diagonal_(0)
    neighbours = cosines.topk(k, dim=1).indices
    return (labels[neighbours] == labels[:, None]).float().mean(1)
