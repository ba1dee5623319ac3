# names: the channel has to move behind them
def patchify(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    b, c = images.shape[:2]
    x = images.unfold(2, patch_size, patch_size).unfold(3, patch_size, patch_size)
    return x.reshape(b, -1, c * patch_size**2)
