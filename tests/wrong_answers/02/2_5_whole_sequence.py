# names: as a line
def interpolate_positions(pos_embed: torch.Tensor, h: int, w: int) -> torch.Tensor:
    x = F.interpolate(pos_embed.transpose(1, 2), size=1 + h * w, mode="linear")
    return x.transpose(1, 2)
