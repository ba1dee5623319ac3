# names: The bottleneck x is not L2-normalised
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return x @ F.normalize(v, dim=1).T
