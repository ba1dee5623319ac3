def patchify(images, patch_size):
    p = patch_size
    return torch.stack([t.flatten(1) for r in images.split(p, 2) for t in r.split(p, 3)], 1)
