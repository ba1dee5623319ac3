# names: You tiled the grid
def interpolate_positions(pos_embed, h, w):
    cls, grid = pos_embed[:, :1], pos_embed[:, 1:]
    g = int(grid.shape[1] ** 0.5)
    x = grid.view(1, g, g, -1).repeat(1, h // g + 1, w // g + 1, 1)[:, :h, :w]
    return torch.cat([cls, x.reshape(1, h * w, -1)], 1)
