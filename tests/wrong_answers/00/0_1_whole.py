# names: length of the whole tensor
def l2_normalize(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm()
