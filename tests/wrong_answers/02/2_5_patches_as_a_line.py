# names: patches' positions as a line
def interpolate_positions(pos_embed: torch.Tensor, h: int, w: int) -> torch.Tensor:
    cls, grid = pos_embed[:, :1], pos_embed[:, 1:]
    grid = F.interpolate(grid.transpose(1, 2), size=h * w, mode="linear").transpose(1, 2)
    return torch.cat([cls, grid], dim=1)
