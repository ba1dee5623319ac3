# names: last row and column of patches are missing
def patchify(images, patch_size):
    B, C, H, W = images.shape
    out = []
    for i in range(0, H - patch_size, patch_size):
        for j in range(0, W - patch_size, patch_size):
            out.append(images[:, :, i : i + patch_size, j : j + patch_size].flatten(1))
    return torch.stack(out, 1)
