# names: brought to 0..1
def patch_maps(
    attention: torch.Tensor, registers: int, h: int, w: int
) -> tuple[torch.Tensor, torch.Tensor]:
    row = attention[:, :, 0]
    patches = row[..., 1 + registers :]
    low, high = patches.aminmax(dim=-1, keepdim=True)
    maps = (patches - low) / (high - low)
    return maps.unflatten(-1, (h, w)), row[..., 1 : 1 + registers].sum(dim=-1)
