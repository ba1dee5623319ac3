# names: The grid of patches is still there
def patchify(images, patch_size):
    return rearrange(images, "b c (h p) (w q) -> b h w (c p q)", p=patch_size, q=patch_size)
