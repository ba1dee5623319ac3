# names: Of equal patches you keep all
def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    flat = maps.flatten(-2)
    mass = flat.sort(dim=-1, descending=True).values
    enough = mass.cumsum(-1) >= keep * flat.sum(-1, keepdim=True) * (1 - 1e-6)
    last = enough.int().argmax(-1, keepdim=True)  # the patch that crosses
    return maps >= mass.gather(-1, last)[..., None]
