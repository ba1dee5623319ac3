def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    a, b = torch.combinations(torch.arange(len(features)), 2).unbind(1)
    lengths = features.norm(dim=1)
    cosine = torch.einsum("nd,nd->n", features[a], features[b]) / (lengths[a] * lengths[b])
    value, order = cosine.sort(descending=True)
    order = order[value >= threshold]
    return torch.stack([a[order], b[order]], dim=1)
