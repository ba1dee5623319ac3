def prototype_scores(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    x = x / x.square().sum(dim=-1, keepdim=True).sqrt()
    v = v / v.square().sum(dim=-1, keepdim=True).sqrt()
    return torch.einsum("nd,kd->nk", x, v)
