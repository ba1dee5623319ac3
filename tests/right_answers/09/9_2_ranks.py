def mass_mask(maps: torch.Tensor, keep: float = 0.6) -> torch.Tensor:
    flat = maps.flatten(-2).double()
    mass, order = flat.sort(dim=-1, descending=True)
    enough = mass.cumsum(-1) >= keep * mass.sum(-1, keepdim=True) - 1e-9
    needed = (~enough).sum(-1, keepdim=True) + 1
    return (order.argsort(-1) < needed).view(maps.shape)
