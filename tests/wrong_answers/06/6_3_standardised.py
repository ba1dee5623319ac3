# names: gave every dimension the same spread
def effective_rank(features: torch.Tensor) -> float:
    x = (features - features.mean(dim=0)) / (features.std(dim=0) + 1e-9)
    s = torch.linalg.svdvals(x)
    if s.sum() == 0:
        return 0.0
    return torch.special.entr(s / s.sum()).sum().exp().item()
