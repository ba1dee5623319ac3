def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    x = torch.einsum("nchw,ntw->ncht", images.double() / 255, columns.double())
    x = torch.einsum("nsh,ncht->ncst", rows.double(), x)
    keep = (~flip).to(x.dtype)[:, None, None, None]
    return (keep * x + (1 - keep) * x.flip(-1)).clamp(0, 1).float()
