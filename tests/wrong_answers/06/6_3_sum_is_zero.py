# names: The mean of equal numbers is rounded
def effective_rank(features: torch.Tensor) -> float:
    s = torch.linalg.svdvals(features - features.mean(dim=0))
    if s.sum() == 0:
        return 0.0
    return torch.special.entr(s / s.sum()).sum().exp().item()
