# names: yours is 0, whatever is given
def koleo(features: torch.Tensor) -> torch.Tensor:
    x = F.normalize(features, dim=1)
    return (x - x).sum()
