# names: top left corner, and zeros
def interpolate_positions(pos_embed, h, w):
    cls, grid = pos_embed[:, :1], pos_embed[:, 1:]
    g = int(grid.shape[1] ** 0.5)
    x = grid.view(1, g, g, -1)
    out = x.new_zeros(1, h, w, x.shape[-1])
    out[:, : min(h, g), : min(w, g)] = x[:, :h, :w]
    return torch.cat([cls, out.reshape(1, h * w, -1)], 1)
