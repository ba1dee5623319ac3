# names: did not bring the features to length 1
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    unit = features.clone()
    cosine = (unit @ unit.T).fill_diagonal_(-torch.inf)
    neighbours = cosine.topk(k, dim=1).indices
    return (labels[neighbours] == labels[:, None]).float().mean(dim=1)
