# names: numbers of images and heads are swapped
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    b, n = attention.shape[:2]
    return attention[:, :, 0, 1:].reshape(n, b, h, w)
