# names: left to chance
def patchify(images, patch_size):
    c = images.shape[1] * patch_size**2
    return nn.Conv2d(images.shape[1], c, patch_size, patch_size)(images).flatten(2).transpose(1, 2)
