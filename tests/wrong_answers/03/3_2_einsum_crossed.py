# names: Your einsum applies the matrix for the height to the width
def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    columns = torch.where(flip[:, None, None], columns.flip(1), columns)
    return torch.einsum("nsw,nchw,nth->ncst", rows, images.float() / 255, columns).clamp(0, 1)
