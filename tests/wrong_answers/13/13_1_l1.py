# names: absolute differences (L1)
def koleo(features: torch.Tensor) -> torch.Tensor:
    x = F.normalize(features, dim=1)
    distances = (x[:, None] - x).abs().sum(dim=-1)
    distances = distances + torch.diag(torch.full((len(x),), torch.inf, device=x.device))
    return -(distances.amin(dim=1) + 1e-8).log().mean()
