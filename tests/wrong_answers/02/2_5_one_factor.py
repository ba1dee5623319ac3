# names: One scale factor serves both sides
def interpolate_positions(pos_embed, h, w):
    import math

    cls, grid = pos_embed[:, :1], pos_embed[:, 1:]
    n = grid.shape[1]
    g = int(n**0.5)
    x = rearrange(grid, "1 (h w) d -> 1 d h w", h=g)
    x = F.interpolate(x, scale_factor=math.sqrt(h * w / n), mode="bicubic")
    return torch.cat([cls, rearrange(x, "1 d h w -> 1 (h w) d")], 1)
