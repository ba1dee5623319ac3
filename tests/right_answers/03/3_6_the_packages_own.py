def multi_crop(
    images: torch.Tensor,
    one_view,
    global_size: int,
    local_size: int,
    n_local: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    views = [one_view(images, global_size, [0.4, 1.0], 1, 0, generator)]
    views += [one_view(images, global_size, [0.4, 1.0], 0.1, 0.2, generator)]
    views += [one_view(images, local_size, [0.05, 0.4], 0.5, 0, generator) for _ in range(n_local)]
    views = [pixels.standardize(v) for v in views]
    return torch.cat(views[:2]), torch.cat(views[2:])
