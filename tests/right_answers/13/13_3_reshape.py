def patch_maps(
    attention: torch.Tensor, registers: int, h: int, w: int
) -> tuple[torch.Tensor, torch.Tensor]:
    batch, heads, tokens, _ = attention.shape
    cls, notes, patches = attention.select(2, 0).split([1, registers, h * w], dim=-1)
    maps = patches.reshape(batch, heads, h, w)
    return maps / maps.sum(dim=(-2, -1), keepdim=True), notes.sum(dim=-1)
