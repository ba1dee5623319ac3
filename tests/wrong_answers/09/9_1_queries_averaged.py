# names: averaged over the queries
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return attention.mean(2)[..., 1:].unflatten(-1, (h, w))
