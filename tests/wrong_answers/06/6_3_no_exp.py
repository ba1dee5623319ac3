# names: This is the entropy
def effective_rank(features: torch.Tensor) -> float:
    x = features - features.mean(dim=0)
    s = torch.linalg.svdvals(x)
    if s.sum() == 0:
        return 0.0
    p = s / s.sum()
    return torch.special.entr(p).sum().item()
