# names: you drop it, and keep the query itself
def precision_at_k(features: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    similarity = F.cosine_similarity(features[:, None], features[None], dim=-1)
    order = similarity.argsort(dim=1, descending=True)[:, 1 : k + 1]
    return (labels[order] == labels.unsqueeze(1)).sum(1) / k
