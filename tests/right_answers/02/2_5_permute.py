def interpolate_positions(pos_embed: torch.Tensor, h: int, w: int) -> torch.Tensor:
    d = pos_embed.shape[-1]
    g = int((pos_embed.shape[1] - 1) ** 0.5 + 0.5)
    if h == w == g:
        return pos_embed
    cls, grid = pos_embed.split([1, g * g], dim=1)
    grid = grid.reshape(1, g, g, d).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, (h, w), mode="bicubic", align_corners=False)
    return torch.cat((cls, grid.permute(0, 2, 3, 1).flatten(1, 2)), 1)
