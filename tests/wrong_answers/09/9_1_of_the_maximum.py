# names: divided each map by its largest
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    maps = rearrange(attention[:, :, 0, 1:], "b a (h w) -> b a h w", h=h, w=w)
    return maps / maps.amax((-2, -1), keepdim=True)
