# names: Rows and columns are swapped
def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    columns = torch.where(flip[:, None, None], columns.flip(1), columns)
    x = torch.einsum("nsw,nchw,nth->ncts", rows, images.float() / 255, columns)
    return x.clamp(0, 1)
