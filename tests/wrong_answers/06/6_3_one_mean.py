# names: You subtracted one number
def effective_rank(features: torch.Tensor) -> float:
    x = features - features.mean()
    s = torch.linalg.svdvals(x)
    if s.sum() == 0:
        return 0.0
    return torch.special.entr(s / s.sum()).sum().exp().item()
