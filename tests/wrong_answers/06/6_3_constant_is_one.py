# names: Yours is 1. The singular values are all 0
def effective_rank(features: torch.Tensor) -> float:
    s = torch.linalg.svdvals(features - features.mean(dim=0))
    p = s / s.sum().clamp(min=1e-12)
    return torch.special.entr(p).sum().exp().item()
