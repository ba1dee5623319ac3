# names: You took the logarithm
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    a = attention[:, :, 0, 1:].log()
    return a.reshape(*a.shape[:2], h, w)
