# names: does not see size
def effective_rank(features: torch.Tensor) -> float:
    s = torch.linalg.svdvals(features - features.mean(dim=0))
    s = s[s > 0.01]
    if len(s) == 0:
        return 0.0
    return torch.special.entr(s / s.sum()).sum().exp().item()
