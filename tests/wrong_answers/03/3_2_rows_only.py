# names: Only the rows are resized
def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    x = torch.einsum("nsh,nchw->ncsw", rows, images.float() / 255)
    x = torch.where(flip[:, None, None, None], x.flip(3), x)
    return x.clamp(0, 1)
