def effective_rank(features: torch.Tensor) -> float:
    x = features - features.mean(dim=0, keepdim=True)
    s = torch.linalg.svd(x, full_matrices=False).S
    if torch.equal(features, features[:1].expand_as(features)):
        return torch.zeros(())
    return torch.special.entr(s / s.sum()).sum().exp()
