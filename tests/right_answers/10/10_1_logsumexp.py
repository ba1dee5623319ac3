def info_nce(
    queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float
) -> torch.Tensor:
    q, k, queue = queries / queries.norm(dim=1, keepdim=True), keys.detach(), queue.detach()
    k = k / k.norm(dim=1, keepdim=True)
    positive = torch.einsum("bd,bd->b", q, k) / temperature
    negative = torch.einsum("bd,ld->bl", q, queue) / temperature
    return (torch.logaddexp(positive, negative.logsumexp(dim=1)) - positive).mean()
