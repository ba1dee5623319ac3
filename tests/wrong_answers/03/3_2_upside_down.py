# names: upside down
def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    rows = torch.where(flip[:, None, None], rows.flip(1), rows)
    x = torch.einsum("nsh,nchw,ntw->ncst", rows, images.float() / 255, columns)
    return x.clamp(0, 1)
