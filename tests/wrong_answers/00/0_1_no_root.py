# names: its root is missing
def l2_normalize(x: torch.Tensor) -> torch.Tensor:
    return x / (x**2).sum(dim=-1, keepdim=True)
