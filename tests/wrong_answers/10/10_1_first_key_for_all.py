# names: column 0 is the first image's key
def info_nce(
    queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float
) -> torch.Tensor:
    q, k = F.normalize(queries, dim=1), F.normalize(keys, dim=1).detach()
    scores = torch.cat([q @ k.T, q @ queue.detach().T], dim=1) / temperature
    return F.cross_entropy(scores, torch.zeros(len(q), dtype=torch.long, device=q.device))
