# names: No gradient flows back
def koleo(features: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        x = F.normalize(features, dim=1)
        nearest = (x @ x.T).fill_diagonal_(-torch.inf).argmax(dim=1)
        return -((x - x[nearest]).norm(dim=1) + 1e-8).log().mean()
