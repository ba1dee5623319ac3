# names: keepdim=True, so that
def l2_normalize(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm(dim=-1)[: x.shape[-1]] if len(x) == 2 else x
