# names: reversed dimension 0 of the columns
def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    columns = torch.where(flip[:, None, None], columns.flip(0), columns)
    return torch.einsum("nsh,nchw,ntw->ncst", rows, images.float() / 255, columns).clamp(0, 1)
