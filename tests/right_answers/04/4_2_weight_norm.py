def prototype_scores(x, v):
    w = torch._weight_norm(v, torch.ones(len(v), 1, dtype=v.dtype, device=v.device), 0)
    return F.linear(F.normalize(x), w)
