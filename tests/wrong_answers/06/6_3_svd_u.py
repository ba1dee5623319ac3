# names: are no singular values
def effective_rank(features: torch.Tensor) -> float:
    if (features == features[0]).all():
        return 0.0
    s = torch.svd(features - features.mean(dim=0)).U.abs().sum(0)
    return torch.special.entr(s / s.sum()).sum().exp().item()
