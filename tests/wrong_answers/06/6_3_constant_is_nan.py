# names: there is no direction: return 0
def effective_rank(features: torch.Tensor) -> float:
    x = features - features.mean(dim=0)
    s = torch.linalg.svdvals(x)
    p = s / s.sum()
    return torch.special.entr(p).sum().exp().item()
