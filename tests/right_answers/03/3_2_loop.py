def crop_resize(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    views = []
    for image, r, c, turned in zip(images, rows, columns, flip, strict=True):
        view = torch.stack([r @ channel @ c.T for channel in image.float() / 255])
        views.append(view.flip(-1) if turned else view)
    return torch.stack(views).clamp(0, 1)
