def effective_rank(features: torch.Tensor) -> float:
    x = features - features.mean(dim=0, keepdim=True)
    s = torch.linalg.svd(x, full_matrices=False).S
    p = s / s.sum().clamp(min=1e-12)
    return torch.special.entr(p).sum().exp()
