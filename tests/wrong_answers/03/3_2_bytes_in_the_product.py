# names: different types (dtype)
def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    columns = torch.where(flip[:, None, None], columns.flip(1), columns)
    x = rows[:, None] @ images @ columns.mT[:, None]
    return x.clamp(0, 1)
