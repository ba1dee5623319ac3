# names: by the largest one
def effective_rank(features: torch.Tensor) -> float:
    x = features - features.mean(dim=0)
    s = torch.linalg.svdvals(x)
    if s.sum() == 0:
        return 0.0
    p = s / s.max()
    return torch.special.entr(p).sum().exp().item()
