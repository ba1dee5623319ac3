# names: [CLS]'s position is added to those of the grid
def interpolate_positions(pos_embed, h, w):
    cls, grid = pos_embed[:, :1], pos_embed[:, 1:]
    g = int(grid.shape[1] ** 0.5)
    x = rearrange(grid + cls, "1 (h w) d -> 1 d h w", h=g)
    x = F.interpolate(x, size=(h, w), mode="bicubic")
    return torch.cat([cls, rearrange(x, "1 d h w -> 1 (h w) d")], 1)
