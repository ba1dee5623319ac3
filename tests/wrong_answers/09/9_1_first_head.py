# names: indexed the heads with 0
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return attention[:, 0, :, 1:]
