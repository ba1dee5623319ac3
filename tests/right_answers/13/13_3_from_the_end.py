def patch_maps(
    attention: torch.Tensor, registers: int, h: int, w: int
) -> tuple[torch.Tensor, torch.Tensor]:
    row = attention[..., 0, :]
    paid = row[..., : row.shape[-1] - h * w].sum(-1) - row[..., 0]
    maps = F.normalize(row[..., row.shape[-1] - h * w :], p=1, dim=-1)
    return maps.view(*maps.shape[:2], h, w), paid
