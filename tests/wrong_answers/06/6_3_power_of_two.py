# names: 2 to the power of an entropy in nats
def effective_rank(features: torch.Tensor) -> float:
    if (features == features[0]).all():
        return 0.0
    s = torch.linalg.svdvals(features - features.mean(dim=0))
    return 2 ** torch.special.entr(s / s.sum()).sum().item()
