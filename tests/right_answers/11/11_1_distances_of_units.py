def near_duplicates(features: torch.Tensor, threshold: float) -> torch.Tensor:
    unit = features / features.norm(dim=1, keepdim=True)
    squared = (unit[:, None] - unit[None]).square().sum(dim=2)
    n = len(unit)
    later = torch.arange(n)[:, None] < torch.arange(n)
    pairs = ((1 - squared / 2 >= threshold - 1e-6) & later).nonzero()
    return pairs[squared[pairs[:, 0], pairs[:, 1]].argsort()]
