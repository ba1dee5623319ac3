# names: The rows are not brought to length 1
def koleo(features: torch.Tensor) -> torch.Tensor:
    distances = torch.cdist(features, features)
    own = torch.eye(len(features), dtype=torch.bool, device=features.device)
    distances = distances.masked_fill(own, torch.inf)
    return -(distances.amin(dim=1) + 1e-8).log().mean()
