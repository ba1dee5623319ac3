# names: You did not centre the features
def effective_rank(features: torch.Tensor) -> float:
    x = features
    s = torch.linalg.svdvals(x)
    if s.sum() == 0:
        return 0.0
    p = s / s.sum()
    return torch.special.entr(p).sum().exp().item()
