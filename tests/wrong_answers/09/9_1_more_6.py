# names: You averaged over the batch, or kept its first image only
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    a = attention[0, :, 0, 1:]
    return a.reshape(-1, h, w)
