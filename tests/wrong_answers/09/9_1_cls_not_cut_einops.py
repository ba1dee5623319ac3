# names: [CLS] is still among the patches
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    from einops import rearrange

    return rearrange(attention[:, :, 0], "b n (h w) -> b n h w", h=h, w=w)
