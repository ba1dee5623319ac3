# names: The result is torch.uint8
def crop_resize(images, rows, columns, flip):
    y = torch.einsum("nsh,nchw,ntw->ncst", rows, images.float() / 255, columns).clamp(0, 1)
    y = torch.where(flip[:, None, None, None], y.flip(-1), y)
    return (y * 255).round().byte()
