# names: cut to 0..1
def patchify(images, patch_size):
    return rearrange(
        images.clamp(0, 1), "b c (h p) (w q) -> b (h w) (c p q)", p=patch_size, q=patch_size
    )
