# names: not divided by 255 before you clamp
def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    columns = torch.where(flip[:, None, None], columns.flip(1), columns)
    return torch.einsum("nsh,nchw,ntw->ncst", rows, images.float(), columns).clamp(0, 1)
