# names: You took a softmax of the singular values
def effective_rank(features: torch.Tensor) -> float:
    x = features - features.mean(dim=0)
    s = torch.linalg.svdvals(x)
    if s.sum() == 0:
        return 0.0
    return torch.special.entr(s.softmax(dim=0)).sum().exp().item()
