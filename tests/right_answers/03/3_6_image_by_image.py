def multi_crop(
    images: torch.Tensor,
    one_view,
    global_size: int,
    local_size: int,
    n_local: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    n = len(images)
    recipe = [(global_size, (0.4, 1.0), 1.0, 0.0), (global_size, (0.4, 1.0), 0.1, 0.2)]
    recipe += [(local_size, (0.05, 0.4), 0.5, 0.0)] * n_local
    out = []
    for size, *how in recipe:
        for i in range(n):
            view = one_view(images[i : i + 1], size, *how, generator)[0]
            for c in range(3):
                view[c] = (view[c] - IMAGENET_MEAN[c]) / IMAGENET_STD[c]
            out.append(view)
    return torch.stack(out[: 2 * n]), torch.stack(out[2 * n :])
