# names: You only reshaped
def patchify(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    b, c, height, width = images.shape
    n = (height // patch_size) * (width // patch_size)
    return images.reshape(b, n, c * patch_size**2)
