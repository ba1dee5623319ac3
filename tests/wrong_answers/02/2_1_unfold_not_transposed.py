# names: Your result is transposed
def patchify(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    return F.unfold(images, patch_size, stride=patch_size)
