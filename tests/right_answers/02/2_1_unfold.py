def patchify(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    return F.unfold(images, patch_size, stride=patch_size).transpose(1, 2)
