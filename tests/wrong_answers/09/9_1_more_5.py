# names: The result is not right
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    a = attention[:, :, 0, 1:]
    return 1 - a.reshape(*a.shape[:2], h, w)
