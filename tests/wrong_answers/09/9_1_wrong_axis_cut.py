# names: cut an image off
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return attention[:, :, 0][1:].reshape(-1, attention.shape[1], h, w)
