# names: Two things
def effective_rank(features):
    if (features == features[0]).all():
        return 0.0
    s = torch.linalg.svdvals(features - features.mean(dim=0))
    p = s**2 / (s**2).sum()
    return torch.special.entr(p).sum().item()
