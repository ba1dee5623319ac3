# names: features that are not all the same
def effective_rank(features: torch.Tensor) -> float:
    if torch.equal(features[0], features[min(1, len(features) - 1)]):
        return 0.0
    s = torch.linalg.svdvals(features - features.mean(dim=0))
    return torch.special.entr(s / s.sum()).sum().exp().item()
