# names: number of dimensions D
def effective_rank(features: torch.Tensor) -> float:
    if (features == features[0]).all():
        return 0.0
    s = torch.linalg.svdvals(features - features.mean(dim=0))
    return torch.special.entr(s / s.sum()).sum().exp().item() / features.shape[1]
