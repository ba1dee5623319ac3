# names: the stable rank
def effective_rank(features: torch.Tensor) -> float:
    if (features == features[0]).all():
        return 0.0
    s = torch.linalg.svdvals(features - features.mean(dim=0))
    return ((s**2).sum() / s.max() ** 2).item()
