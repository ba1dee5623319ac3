# names: those of the grid are not
def interpolate_positions(pos_embed, h, w):
    cls, grid = pos_embed[:, :1], pos_embed[:, 1:]
    g = int(grid.shape[1] ** 0.5)
    if h <= g and w <= g:
        return torch.cat([cls, grid.view(1, g, g, -1)[:, :h, :w].reshape(1, h * w, -1)], 1)
    x = rearrange(grid, "1 (h w) d -> 1 d h w", h=g)
    x = F.interpolate(x, size=(h, w), mode="bicubic")
    return torch.cat([cls, rearrange(x, "1 d h w -> 1 (h w) d")], 1)
