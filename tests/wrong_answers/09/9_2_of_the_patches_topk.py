# names: of the *patches*
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    flat = maps.flatten(-2)
    top = flat.topk(int(keep * flat.shape[-1]), dim=-1).indices
    mask = torch.zeros_like(flat, dtype=torch.bool)
    return mask.scatter(-1, top, True).view(maps.shape)
