# names: half precision (bfloat16)
def effective_rank(features: torch.Tensor) -> float:
    if (features == features[0]).all():
        return 0.0
    x = features.bfloat16().float()
    s = torch.linalg.svdvals(x - x.mean(0))
    return torch.special.entr(s / s.sum()).sum().exp().item()
