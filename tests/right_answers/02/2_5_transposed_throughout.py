def interpolate_positions(pos_embed: torch.Tensor, h: int, w: int) -> torch.Tensor:
    # The grid turned on its side, resized to (w, h) and turned back.
    cls, grid = pos_embed[:, 0:1], pos_embed[:, 1:]
    g = round(grid.shape[1] ** 0.5)
    grid = grid.transpose(1, 2).unflatten(2, (g, g)).mT
    grid = F.interpolate(grid, size=(w, h), mode="bicubic").mT
    return torch.cat([cls, grid.flatten(2).transpose(1, 2)], dim=1)
