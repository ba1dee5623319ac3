# names: You take the new h for the side
def interpolate_positions(pos_embed, h, w):
    cls, grid = pos_embed[:, :1], pos_embed[:, 1:]
    x = rearrange(grid, "1 (h w) d -> 1 d h w", h=h)
    x = F.interpolate(x, size=(h, w), mode="bicubic")
    return torch.cat([cls, rearrange(x, "1 d h w -> 1 (h w) d")], 1)
