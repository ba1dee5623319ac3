# names: some rows are right and others
def multi_crop(
    images: torch.Tensor,
    one_view,
    global_size: int,
    local_size: int,
    n_local: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    mean = torch.tensor(IMAGENET_MEAN, device=images.device).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=images.device).view(3, 1, 1)
    first = one_view(images, global_size, (0.4, 1.0), 1.0, 0.0, generator)
    second = one_view(images, global_size, (0.4, 1.0), 0.1, 0.2, generator)
    local_views = [
        one_view(images, local_size, (0.05, 0.4), 0.5, 0.0, generator) for _ in range(n_local)
    ]
    return (torch.cat([first, second]) - mean) / std, (
        torch.cat([F.interpolate(first, local_size), *local_views[1:]]) - mean
    ) / std
