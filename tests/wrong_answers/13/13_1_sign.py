# names: your loss falls as neighbours come *nearer*
def koleo(features: torch.Tensor) -> torch.Tensor:
    x = F.normalize(features, dim=1)
    with torch.no_grad():
        cosines = x @ x.T
        cosines.fill_diagonal_(-torch.inf)
        nearest = cosines.argmax(dim=1)
    distance = (x - x[nearest]).norm(dim=1)
    return (distance + 1e-8).log().mean()
