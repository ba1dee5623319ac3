# names: cut the positions off after the first 1 + h*w
def interpolate_positions(pos_embed: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return pos_embed[:, : 1 + h * w]
