# names: You took a column
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    a = attention.transpose(-1, -2)[:, :, 0, 1:]
    return a.reshape(*a.shape[:2], h, w)
