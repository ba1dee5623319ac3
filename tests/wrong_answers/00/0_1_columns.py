# names: You normalised the columns
def l2_normalize(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm(dim=0, keepdim=True)
