# names: does not see size
def effective_rank(features: torch.Tensor) -> float:
    x = features - features.mean(0)
    if torch.allclose(x, torch.zeros_like(x)):
        return 0.0
    s = torch.linalg.svdvals(x)
    return torch.special.entr(s / s.sum()).sum().exp().item()
