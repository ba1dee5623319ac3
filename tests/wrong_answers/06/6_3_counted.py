# names: counted the singular values above 0
def effective_rank(features: torch.Tensor) -> float:
    x = features - features.mean(dim=0)
    s = torch.linalg.svdvals(x)
    if s.sum() == 0:
        return 0.0
    p = s / s.sum()
    return float((p > 1e-6).sum())
