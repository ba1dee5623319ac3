def effective_rank(features: torch.Tensor) -> float:
    x = features.double()
    s = torch.linalg.svdvals(x - x.mean(dim=0))
    s = s[s > 1e-5 * x.abs().max() * len(x) ** 0.5]
    return torch.special.entr(s / s.sum()).sum().exp().item() if len(s) else 0.0
