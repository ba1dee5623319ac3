def most_similar(features: torch.Tensor) -> torch.Tensor:
    unit = torch.nn.functional.normalize(features, dim=1)
    return torch.cdist(unit, unit).fill_diagonal_(torch.inf).argmin(dim=1)
