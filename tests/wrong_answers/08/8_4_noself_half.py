# names: You dropped the query's own image and have k - 1 others
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    unit = F.normalize(features, dim=1)
    cosine = unit @ unit.T
    neighbours = cosine.argsort(dim=1, descending=True)[:, 1:k]
    return (labels[neighbours] == labels[:, None]).float().mean(dim=1)
