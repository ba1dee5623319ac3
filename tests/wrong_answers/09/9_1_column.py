# names: You took a column
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return attention[:, :, 1:, 0].unflatten(-1, (h, w))
