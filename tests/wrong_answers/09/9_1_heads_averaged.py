# names: averaged over the heads
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return attention[:, :, 0, 1:].mean(1).unflatten(-1, (h, w))
