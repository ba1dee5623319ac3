def cls_maps(matrices: torch.Tensor, h: int, w: int) -> torch.Tensor:
    rows = [matrices[:, :, 0, 1 + i * w : 1 + (i + 1) * w] for i in range(h)]
    return torch.stack(rows, dim=2)
