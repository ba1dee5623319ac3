# names: 2 - 2 cos takes two nearly equal numbers
def koleo(features: torch.Tensor) -> torch.Tensor:
    x = F.normalize(features, dim=1)
    with torch.no_grad():
        cosines = x @ x.T
        cosines.fill_diagonal_(-torch.inf)
        nearest = cosines.argmax(dim=1)
    distance = (2 - 2 * (x * x[nearest]).sum(dim=1)).clamp(min=1e-12).sqrt()
    return -(distance + 1e-8).log().mean()
