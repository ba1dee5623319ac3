# names: (Of the queries.)
def info_nce(
    queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float
) -> torch.Tensor:
    q = F.normalize(queries, dim=0)
    k = F.normalize(keys.detach(), dim=1)
    pos = (q * k).sum(dim=1, keepdim=True)
    neg = q @ queue.detach().T
    scores = torch.cat([pos, neg], dim=1) / temperature
    labels = torch.zeros(scores.shape[0], dtype=torch.long, device=scores.device)
    return F.cross_entropy(scores, labels)
