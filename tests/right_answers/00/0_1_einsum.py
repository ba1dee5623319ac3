def l2_normalize(x: torch.Tensor) -> torch.Tensor:
    return x / torch.einsum("nd,nd->n", x, x).sqrt()[:, None]
