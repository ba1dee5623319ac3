def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    # As the official code: what is left over is the smallest set from above.
    flat = maps.flatten(-2)
    mass, order = flat.sort(dim=-1)
    mass = mass / mass.sum(-1, keepdim=True)
    kept = mass.cumsum(-1) > 1 - keep + 1e-6
    rank = order.argsort(-1)
    return kept.gather(-1, rank).view(maps.shape)
