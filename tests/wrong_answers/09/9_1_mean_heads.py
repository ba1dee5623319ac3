# names: One map an image
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return attention[:, :, 0, 1:].mean(1).reshape(-1, h, w)
