# names: held the raw products between -1 and 1
def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return (x @ v.T).clamp(-1, 1)
