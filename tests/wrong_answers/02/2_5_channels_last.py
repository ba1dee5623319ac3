# names: resized with D behind it
def interpolate_positions(pos_embed, h, w):
    cls, grid = pos_embed[:, :1], pos_embed[:, 1:]
    g = int(grid.shape[1] ** 0.5)
    x = rearrange(grid, "1 (h w) d -> 1 h w d", h=g)
    x = F.interpolate(x, size=(h, w), mode="bicubic")
    return torch.cat([cls, rearrange(x, "1 h w d -> 1 (h w) d")], 1)
