# names: And log 0 is infinite
def koleo(features: torch.Tensor) -> torch.Tensor:
    x = F.normalize(features, dim=1)
    return -(x[:, None] - x).norm(dim=-1).amin(dim=1).log().mean()
