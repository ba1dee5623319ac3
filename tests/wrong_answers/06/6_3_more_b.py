# names: The minus stands outside exp
def effective_rank(features):
    if (features == features[0]).all():
        return 0.0
    s = torch.linalg.svdvals(features - features.mean(dim=0))
    p = s / s.sum()
    return -(p * (p + 1e-12).log2()).sum().exp().item()
