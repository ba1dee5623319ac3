# names: left out the largest singular value
def effective_rank(features: torch.Tensor) -> float:
    if (features == features[0]).all():
        return 0.0
    s = torch.linalg.svdvals(features - features.mean(dim=0))
    s = s[1:]
    return torch.special.entr(s / s.sum()).sum().exp().item()
