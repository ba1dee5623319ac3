# names: Of two equal rows each leaves the other out
def koleo(features: torch.Tensor) -> torch.Tensor:
    x = F.normalize(features, dim=1)
    d = torch.cdist(x, x)
    d = d.masked_fill(d == 0, torch.inf)
    return -(d.amin(dim=1) + 1e-8).log().mean()
