# names: multiplied by IMAGENET_STD
def multi_crop(
    images: torch.Tensor,
    one_view,
    global_size: int,
    local_size: int,
    n_local: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    views = [
        one_view(images, global_size, (0.4, 1.0), b, s, generator) for b, s in ((1, 0), (0.1, 0.2))
    ]
    views_local = [
        one_view(images, local_size, (0.05, 0.4), 0.5, 0.0, generator) for _ in range(n_local)
    ]
    return tuple((x - mean) * std for x in (torch.cat(views), torch.cat(views_local)))
