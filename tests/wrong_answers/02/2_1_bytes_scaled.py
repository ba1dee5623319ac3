# names: You scaled the pixels
def patchify(images, patch_size):
    return rearrange(images / 255, "b c (h p) (w q) -> b (h w) (c p q)", p=patch_size, q=patch_size)
