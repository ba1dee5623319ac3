# names: softmax again
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return attention[:, :, 0, 1:].softmax(-1).unflatten(-1, (h, w))
