def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    x = rows[:, None] @ (images.to(torch.float32) / 255) @ columns.transpose(1, 2)[:, None]
    x[flip] = x[flip].flip(3)
    return x.clamp_(min=0, max=1)
