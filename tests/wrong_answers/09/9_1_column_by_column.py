# names: column by column
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return attention[:, :, 0, 1:].unflatten(-1, (w, h)).transpose(-2, -1)
