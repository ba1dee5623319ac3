# names: in column-major order
def patchify(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    return rearrange(images, "b c (h p) (w q) -> b (w h) (c q p)", p=patch_size, q=patch_size)
