# names: Patches come first and images second
def patchify(images, patch_size):
    return rearrange(images, "b c (h p) (w q) -> (h w) b (c p q)", p=patch_size, q=patch_size)
