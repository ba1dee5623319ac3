# names: One map an image
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    a = attention[:, :, 0, 1:]
    return a.reshape(*a.shape[:2], h, w).sum(1)
