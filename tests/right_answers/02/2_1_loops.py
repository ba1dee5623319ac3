def patchify(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    height, width, p = *images.shape[-2:], patch_size
    cut = [
        images[:, :, top : top + p, left : left + p].flatten(1)
        for top in range(0, height, p)
        for left in range(0, width, p)
    ]
    return torch.stack(cut, dim=1)
