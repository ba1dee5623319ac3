# names: changes a tensor it was given
def info_nce(
    queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float
) -> torch.Tensor:
    q = F.normalize(queries, dim=1)
    k = F.normalize(keys.detach(), dim=1)
    negatives = queue.detach().clone()
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ negatives.T], dim=1) / temperature
    loss = F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))
    # dequeue and enqueue
    queue.data.copy_(torch.cat([k, negatives])[: len(queue)])
    return loss
