def effective_rank(features: torch.Tensor) -> float:
    values = torch.linalg.eigvalsh(torch.cov(features.double().T, correction=0)).clamp(min=0).sqrt()
    values = values[values > 1e-6 * features.double().abs().max()]
    p = values / values.sum()
    return float(torch.exp(-(p * p.log()).sum())) if len(values) else 0.0
