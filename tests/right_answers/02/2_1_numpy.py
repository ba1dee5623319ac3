import numpy as np


def patchify(images, patch_size):
    x = images.detach().numpy()
    out = []
    for im in x:
        out.append(
            [
                im[:, i : i + patch_size, j : j + patch_size].ravel()
                for i in range(0, im.shape[1], patch_size)
                for j in range(0, im.shape[2], patch_size)
            ]
        )
    return torch.from_numpy(np.array(out))
