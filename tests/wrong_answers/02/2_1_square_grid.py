# names: took the grid of patches for a square
def patchify(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    b, c, height, width = images.shape
    side = int((height * width / patch_size**2) ** 0.5)
    return rearrange(images, "b c (h p) (w q) -> b (h w) (c p q)", h=side, w=side)
