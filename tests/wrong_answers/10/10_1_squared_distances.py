# names: negative squared distances
def info_nce(
    queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float
) -> torch.Tensor:
    q = F.normalize(queries, dim=1)
    k = F.normalize(keys.detach(), dim=1)
    positive = (q * k).sum(dim=1, keepdim=True)
    negative = q @ queue.detach().T
    positive = -(q - k).square().sum(dim=1, keepdim=True)
    negative = -torch.cdist(q, queue.detach()).square()
    scores = torch.cat([positive, negative], dim=1) / temperature
    labels = torch.zeros(len(q), dtype=torch.long, device=q.device)
    return F.cross_entropy(scores, labels)
