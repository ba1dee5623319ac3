# names: You took the mean distance to all others
def koleo(features: torch.Tensor) -> torch.Tensor:
    x = F.normalize(features, dim=1)
    n = len(x)
    distances = (x[:, None] - x).norm(dim=-1)
    return -(distances.sum(dim=1) / (n - 1) + 1e-8).log().mean()
