# names: The [CLS] position is missing
def interpolate_positions(pos_embed: torch.Tensor, h: int, w: int) -> torch.Tensor:
    grid = pos_embed[:, 1:]
    side = round(grid.shape[1] ** 0.5)
    grid = rearrange(grid, "1 (h w) d -> 1 d h w", h=side)
    grid = F.interpolate(grid, size=(h, w), mode="bicubic")
    grid = rearrange(grid, "1 d h w -> 1 (h w) d")
    return grid
