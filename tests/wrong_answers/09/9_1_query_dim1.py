# names: You indexed the heads with 0
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    a = attention[:, 0, :, 1:]
    return a.reshape(attention.shape[0], -1, h, w)
