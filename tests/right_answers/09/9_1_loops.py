def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    maps = attention.new_zeros(*attention.shape[:2], h, w)
    for y in range(h):
        for x in range(w):
            maps[:, :, y, x] = attention[:, :, 0, 1 + y * w + x]
    return maps
