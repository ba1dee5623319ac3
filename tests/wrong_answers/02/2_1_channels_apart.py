# names: kept the channels apart
def patchify(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    return rearrange(images, "b c (h p) (w q) -> b c (h w) (p q)", p=patch_size, q=patch_size)
