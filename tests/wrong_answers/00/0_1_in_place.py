# names: changes a tensor it was given
def l2_normalize(x: torch.Tensor) -> torch.Tensor:
    x /= x.norm(dim=-1, keepdim=True)
    return x
