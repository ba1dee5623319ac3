# names: One patch is missing
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return attention[:, :, 0, 1 : h * w].reshape(-1, attention.shape[1], h, w)
