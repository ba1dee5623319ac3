# names: [CLS]-to-[CLS] is still in the map
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return attention[:, :, 0, : h * w].unflatten(-1, (h, w))
