# names: one crop for the whole batch
def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    columns = columns[:1].expand_as(columns)
    columns = torch.where(flip[:, None, None], columns.flip(1), columns)
    x = torch.einsum("sh,nchw,ntw->ncst", rows[0], images.float() / 255, columns)
    return x.clamp(0, 1)
