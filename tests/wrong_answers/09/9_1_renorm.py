# names: You divided each map by its sum
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    a = attention[:, :, 0, 1:]
    return (a / (1 - attention[:, :, 0, :1])).reshape(*a.shape[:2], h, w)
