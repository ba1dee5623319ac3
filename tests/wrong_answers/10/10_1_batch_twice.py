# names: the positive among them
def info_nce(
    queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float
) -> torch.Tensor:
    q, k = F.normalize(queries, dim=1), F.normalize(keys.detach(), dim=1)
    positive = (q * k).sum(dim=1, keepdim=True)
    scores = torch.cat([positive, q @ k.T, q @ queue.detach().T], dim=1) / temperature
    return F.cross_entropy(scores, torch.zeros(len(q), dtype=torch.long, device=q.device))
