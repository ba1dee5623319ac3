# names: you reshaped it where it has to be transposed
def patchify(images, patch_size):
    x = F.unfold(images, patch_size, stride=patch_size)
    return x.view(x.shape[0], x.shape[2], x.shape[1])
