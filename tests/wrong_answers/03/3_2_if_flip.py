# names: take one value
def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    if flip:
        columns = columns.flip(1)
    x = torch.einsum("nsh,nchw,ntw->ncst", rows, images.float() / 255, columns)
    return x.clamp(0, 1)
