# names: the row of a patch
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return attention[:, :, 1, 1:].unflatten(-1, (h, w))
