def multi_crop(
    images: torch.Tensor,
    one_view,
    global_size: int,
    local_size: int,
    n_local: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    import torchvision.transforms.v2.functional as tv

    many = images.repeat(n_local, 1, 1, 1)  # crop-major: the batch again and again
    globals_ = torch.cat(
        [
            one_view(
                images, global_size, scale=(0.4, 1), blur_p=b, solarize_p=s, generator=generator
            )
            for b, s in ((1.0, 0.0), (0.1, 0.2))
        ]
    )
    locals_ = one_view(many, local_size, (0.05, 0.4), 0.5, 0.0, generator)
    mean, std = list(IMAGENET_MEAN), list(IMAGENET_STD)
    return tv.normalize(globals_, mean, std), tv.normalize(locals_, mean, std)
