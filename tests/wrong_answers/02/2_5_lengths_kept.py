# names: has another length
def interpolate_positions(pos_embed, h, w):
    cls, grid = pos_embed[:, :1], pos_embed[:, 1:]
    g = int(grid.shape[1] ** 0.5)
    x = rearrange(grid, "1 (h w) d -> 1 d h w", h=g)
    x = F.interpolate(x, size=(h, w), mode="bicubic")
    x = rearrange(x, "1 d h w -> 1 (h w) d")
    return torch.cat([cls, x * grid.norm(dim=-1).mean() / x.norm(dim=-1, keepdim=True)], 1)
