# names: subtracted the median
def effective_rank(features: torch.Tensor) -> float:
    if (features == features[0]).all():
        return 0.0
    s = torch.linalg.svdvals(features - features.median(dim=0).values)
    return torch.special.entr(s / s.sum()).sum().exp().item()
