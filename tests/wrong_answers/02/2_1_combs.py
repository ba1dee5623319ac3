# names: Your patches are combs
def patchify(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    return rearrange(images, "b c (p h) (q w) -> b (h w) (c p q)", p=patch_size, q=patch_size)
