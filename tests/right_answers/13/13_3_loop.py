def patch_maps(
    attention: torch.Tensor, registers: int, h: int, w: int
) -> tuple[torch.Tensor, torch.Tensor]:
    batch, heads = attention.shape[:2]
    maps = attention.new_zeros(batch, heads, h, w)
    for y in range(h):
        for x in range(w):
            maps[:, :, y, x] = attention[:, :, 0, 1 + registers + y * w + x]
    total = maps.flatten(2).sum(-1)
    return maps / total[..., None, None], 1 - total - attention[:, :, 0, 0]
