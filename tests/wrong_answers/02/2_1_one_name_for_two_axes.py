# names: Two axes have one name
def patchify(images, patch_size):
    return rearrange(images, "b c (h p) (w p) -> b (h w) (c p p)", p=patch_size)
