# names: One map an image
def patch_maps(
    attention: torch.Tensor, registers: int, h: int, w: int
) -> tuple[torch.Tensor, torch.Tensor]:
    row = attention[:, :, 0]
    patches = row[..., 1 + registers :]
    maps = patches / patches.sum(dim=-1, keepdim=True)
    return maps.mean(dim=1).unflatten(-1, (h, w)), row[..., 1 : 1 + registers].sum(dim=-1)
