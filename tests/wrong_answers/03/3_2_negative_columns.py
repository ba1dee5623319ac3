# names: changed the sign
def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    columns = torch.where(flip[:, None, None], -columns, columns)
    x = torch.einsum("nsh,nchw,ntw->ncst", rows, images.float() / 255, columns)
    return x.clamp(0, 1)
