def info_nce(
    queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float
) -> torch.Tensor:
    with torch.no_grad():
        k = F.normalize(keys, dim=1)
        others = queue.clone()
    q = F.normalize(queries, dim=1)
    scores = torch.hstack([q @ others.t(), (q * k).sum(1).unsqueeze(1)]).div(temperature)
    labels = scores.new_full((len(q),), len(others), dtype=torch.int64)
    return nn.CrossEntropyLoss()(scores, labels)
