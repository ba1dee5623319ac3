# names: The value is right and its gradient is nan
def koleo(features: torch.Tensor) -> torch.Tensor:
    x = F.normalize(features, dim=1)
    d = (x[:, None] - x[None]).square().sum(dim=-1).sqrt()
    own = torch.eye(len(x), dtype=torch.bool, device=x.device)
    return -(d.masked_fill(own, torch.inf).amin(dim=1) + 1e-8).log().mean()
