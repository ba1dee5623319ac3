# names: divided by the sum of the entries
def l2_normalize(x: torch.Tensor) -> torch.Tensor:
    return x / x.sum(dim=-1, keepdim=True)
