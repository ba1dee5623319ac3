# names: without keepdim=True
def l2_normalize(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm(dim=-1)
