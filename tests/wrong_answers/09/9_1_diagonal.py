# names: This is the diagonal
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    d = attention.diagonal(dim1=-2, dim2=-1)[..., 1:]
    return d.reshape(*d.shape[:2], h, w)
