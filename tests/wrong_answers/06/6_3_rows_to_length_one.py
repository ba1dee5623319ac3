# names: You scaled each image's feature to length 1
def effective_rank(features: torch.Tensor) -> float:
    x = torch.nn.functional.normalize(features, dim=-1)
    x = x - x.mean(dim=0)
    s = torch.linalg.svdvals(x)
    return torch.special.entr(s / s.sum()).sum().exp().item() if s.any() else 0.0
