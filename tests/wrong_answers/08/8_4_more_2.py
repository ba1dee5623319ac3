# names: You compare the neighbours' *indices* with the labels
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(-torch.inf)
    neighbours = cosine.topk(k, dim=1).indices
    return (neighbours == labels[:, None]).float().mean(1)
