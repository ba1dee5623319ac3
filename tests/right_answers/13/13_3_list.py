def patch_maps(
    attention: torch.Tensor, registers: int, h: int, w: int
) -> tuple[torch.Tensor, torch.Tensor]:
    patches = [*range(1 + registers, 1 + registers + h * w)]
    notes = [*range(1, 1 + registers)]
    maps = attention[:, :, 0, patches].unflatten(2, (h, w))
    return [maps / maps.sum((2, 3), keepdim=True), attention[:, :, 0, notes].sum(2)]
