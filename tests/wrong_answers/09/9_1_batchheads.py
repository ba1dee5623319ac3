# names: Images and heads are in one dimension
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    a = attention[:, :, 0, 1:]
    return a.reshape(-1, h, w)
