# names: for a square
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    side = int((attention.shape[-1] - 1) ** 0.5)
    return attention[:, :, 0, 1:].unflatten(-1, (side, side))
