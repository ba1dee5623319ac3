def info_nce(
    queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float
) -> torch.Tensor:
    losses = []
    for query, key in zip(queries, keys.detach(), strict=True):
        positive = F.cosine_similarity(query, key, dim=0)
        negatives = F.cosine_similarity(query[None], queue.detach(), dim=1)
        scores = torch.cat([positive[None], negatives]) / temperature
        losses.append(-torch.log_softmax(scores, dim=0)[0])
    return torch.stack(losses).mean()
