# names: All pairs are in your loss
def koleo(features: torch.Tensor) -> torch.Tensor:
    x = F.normalize(features, dim=1)
    distances = (x[:, None] - x).norm(dim=-1)
    others = distances[~torch.eye(len(x), dtype=torch.bool, device=x.device)]
    return -(others + 1e-8).log().mean()
