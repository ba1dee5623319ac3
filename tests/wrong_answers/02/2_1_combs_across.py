# names: Across the picture your patches are combs
def patchify(images, patch_size):
    return rearrange(images, "b c (h p) (q w) -> b (h w) (c p q)", p=patch_size, q=patch_size)
