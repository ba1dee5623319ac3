# names: Nothing that is farther than 1 counts
def koleo(features: torch.Tensor) -> torch.Tensor:
    x = F.normalize(features, dim=1)
    distances = torch.cdist(x, x) + torch.eye(len(x), device=x.device)
    return -(distances.amin(dim=1) + 1e-8).log().mean()
