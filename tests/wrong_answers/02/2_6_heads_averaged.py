# names: You averaged the heads
def cls_maps(matrices: torch.Tensor, h: int, w: int) -> torch.Tensor:
    return matrices.mean(dim=1)[:, 0, 1:].unflatten(-1, (h, w))
