# names: a singular value is 0, and 0 * log(0)
def effective_rank(features: torch.Tensor) -> float:
    x = features - features.mean(dim=0)
    s = torch.linalg.svdvals(x.double())
    s = torch.where(s < 1e-9, torch.zeros_like(s), s)
    p = s / s.sum()
    return (-(p * p.log()).sum()).exp().item()
