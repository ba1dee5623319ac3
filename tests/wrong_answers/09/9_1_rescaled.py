# names: divided each map by its sum
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    maps = attention[:, :, 0, 1:]
    maps = maps / maps.sum(-1, keepdim=True)
    return maps.unflatten(-1, (h, w))
