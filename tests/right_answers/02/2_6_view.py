def cls_maps(matrices: torch.Tensor, h: int, w: int) -> torch.Tensor:
    b, heads = matrices.shape[:2]
    return matrices[:, :, 0, 1:].reshape(b, heads, h, w)
