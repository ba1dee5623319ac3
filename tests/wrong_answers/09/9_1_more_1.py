# names: You folded the line as if the heads were its last dimension,
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    a = attention[:, :, 0, 1:]
    return a.reshape(a.shape[0], h, w, a.shape[1]).permute(0, 3, 1, 2)
