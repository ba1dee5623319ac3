# names: This is an average precision
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(-torch.inf)
    neighbours = cosine.topk(k, dim=1).indices
    hit = (labels[neighbours] == labels[:, None]).float()
    at = hit.cumsum(1) / torch.arange(1, k + 1)
    return (at * hit).sum(1) / hit.sum(1).clamp(min=1)
