# names: Patches come first and images second, (N, B, C*p*p): the batch is the first dimension.
def patchify(images, patch_size):
    B, C, H, W = images.shape
    out = []
    for j in range(0, W, patch_size):
        for i in range(0, H, patch_size):
            out.append(images[:, :, i : i + patch_size, j : j + patch_size].reshape(B, -1))
    return torch.stack(out)
