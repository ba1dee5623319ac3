# names: of the views themselves
def multi_crop(
    images: torch.Tensor,
    one_view,
    global_size: int,
    local_size: int,
    n_local: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    first = one_view(images, global_size, (0.4, 1.0), 1.0, 0.0, generator)
    second = one_view(images, global_size, (0.4, 1.0), 0.1, 0.2, generator)
    local_views = [
        one_view(images, local_size, (0.05, 0.4), 0.5, 0.0, generator) for _ in range(n_local)
    ]
    out = []
    for views in (torch.cat([first, second]), torch.cat(local_views)):
        own = views.mean(dim=(0, 2, 3), keepdim=True)
        out.append((views - own) / views.std(dim=(0, 2, 3), keepdim=True))
    return tuple(out)
