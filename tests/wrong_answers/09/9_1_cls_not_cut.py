# names: [CLS] is still among the patches
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return attention[:, :, 0].reshape(*attention.shape[:2], h, w)
