# names: Labels of classes are whole numbers
def info_nce(
    queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float
) -> torch.Tensor:
    q = F.normalize(queries, dim=1)
    k = F.normalize(keys.detach(), dim=1)
    pos = (q * k).sum(dim=1, keepdim=True)
    neg = q @ queue.detach().T
    scores = torch.cat([pos, neg], dim=1) / temperature
    return F.cross_entropy(scores, torch.zeros(len(scores)))
