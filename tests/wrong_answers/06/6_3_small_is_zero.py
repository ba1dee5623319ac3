# names: does not see size
def effective_rank(features: torch.Tensor) -> float:
    s = torch.linalg.svdvals(features - features.mean(dim=0))
    if s.sum() < 1e-3:
        return 0.0
    return torch.special.entr(s / s.sum()).sum().exp().item()
