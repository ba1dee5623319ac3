# names: length of the whole tensor
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return (x / x.norm()) @ (v / v.norm()).T
