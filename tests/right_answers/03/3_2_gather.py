def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    x = images.div(255.0)
    x = torch.matmul(torch.matmul(rows.unsqueeze(1), x), columns.mT.unsqueeze(1))
    forward = torch.arange(x.shape[-1], device=x.device)
    order = torch.where(flip[:, None], forward.flip(0), forward)
    x = x.gather(3, order[:, None, None, :].expand_as(x))
    return torch.clip(x, 0, 1)
