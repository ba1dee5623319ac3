# names: You divided by the largest absolute entry
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.normalize(x, p=float("inf"), dim=-1) @ F.normalize(v, p=float("inf"), dim=-1).T
