# names: the queue is not used
def info_nce(
    queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float
) -> torch.Tensor:
    q, k = F.normalize(queries, dim=1), F.normalize(keys.detach(), dim=1)
    scores = q @ k.T / temperature
    return F.cross_entropy(scores, torch.arange(len(q), device=q.device))
