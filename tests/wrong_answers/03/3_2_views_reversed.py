# names: the images: each that is flipped became another
def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    x = torch.einsum("nsh,nchw,ntw->ncst", rows, images.float() / 255, columns)
    return torch.where(flip[:, None, None, None], x.flip(0), x).clamp(0, 1)
