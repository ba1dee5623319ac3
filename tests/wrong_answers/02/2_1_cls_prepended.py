# names: [CLS] is prepended later
def patchify(images, patch_size):
    x = rearrange(images, "b c (h p) (w q) -> b (h w) (c p q)", p=patch_size, q=patch_size)
    return torch.cat([torch.zeros_like(x[:, :1]), x], 1)
