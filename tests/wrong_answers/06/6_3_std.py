# names: standard deviations of the dimensions
def effective_rank(features: torch.Tensor) -> float:
    if (features == features[0]).all():
        return 0.0
    s = features.std(dim=0)
    return torch.special.entr(s / s.sum()).sum().exp().item()
