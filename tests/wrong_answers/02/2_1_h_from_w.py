# names: by the number of patches across
def patchify(images, patch_size):
    b, c, H, W = images.shape
    h, w = W // patch_size, H // patch_size
    x = images.reshape(b, c, h, patch_size, w, patch_size)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(b, h * w, -1)
