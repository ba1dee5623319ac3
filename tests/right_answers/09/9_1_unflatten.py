def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return attention.select(2, 0).narrow(-1, 1, h * w).unflatten(-1, (h, w))
