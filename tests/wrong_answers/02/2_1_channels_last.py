# names: channels are mixed up in the patch vector
def patchify(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    return rearrange(images, "b c (h p) (w q) -> b (h w) (p q c)", p=patch_size, q=patch_size)
