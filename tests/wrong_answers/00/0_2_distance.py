# names: by distance between features as long as they come
def most_similar(features: torch.Tensor) -> torch.Tensor:
    return torch.cdist(features, features).fill_diagonal_(torch.inf).argmin(dim=1)
