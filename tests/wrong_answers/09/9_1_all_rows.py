# names: All tokens' rows are there
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    a = attention[:, :, :, 1:]
    return a.reshape(*a.shape[:2], h, w)
