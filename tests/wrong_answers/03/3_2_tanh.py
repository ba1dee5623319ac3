# names: another curve
def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    columns = torch.where(flip[:, None, None], columns.flip(1), columns)
    x = torch.einsum("nsh,nchw,ntw->ncst", rows, images.float() / 255, columns)
    return torch.tanh(x)
