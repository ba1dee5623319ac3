# names: You reversed the channels
def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    x = torch.einsum("nsh,nchw,ntw->ncst", rows, images.float() / 255, columns)
    return torch.stack([v.flip(0) if f else v for v, f in zip(x, flip, strict=True)]).clamp(0, 1)
