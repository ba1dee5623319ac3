# names: 4 registers are written in
def patch_maps(
    attention: torch.Tensor, registers: int, h: int, w: int
) -> tuple[torch.Tensor, torch.Tensor]:
    row = attention[:, :, 0]
    patches = row[..., 5:]
    maps = patches / patches.sum(dim=-1, keepdim=True)
    return maps.unflatten(-1, (h, w)), row[..., 1:5].sum(dim=-1)
