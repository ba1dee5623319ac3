# names: does not see size
def effective_rank(features: torch.Tensor) -> float:
    if (features == features[0]).all():
        return 0.0
    s = torch.linalg.svdvals(features - features.mean(dim=0))
    return torch.special.entr(s / (s.sum() + 1e-6)).sum().exp().item()
