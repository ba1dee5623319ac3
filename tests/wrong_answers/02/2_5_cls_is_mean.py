# names: [CLS] got the mean of the new grid
def interpolate_positions(pos_embed, h, w):
    grid = pos_embed[:, 1:]
    g = int(grid.shape[1] ** 0.5)
    x = rearrange(grid, "1 (h w) d -> 1 d h w", h=g)
    x = F.interpolate(x, size=(h, w), mode="bicubic")
    x = rearrange(x, "1 d h w -> 1 (h w) d")
    return torch.cat([x.mean(1, keepdim=True), x], 1)
