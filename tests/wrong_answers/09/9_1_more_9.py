# names: You took the grid for a square of sqrt(N) patches a side
def attention_maps(attention: torch.Tensor, h: int, w: int) -> torch.Tensor:
    a = attention[:, :, 0]
    n = int((a.shape[-1] - 1) ** 0.5)
    return a[..., 1:].reshape(*a.shape[:2], n, n)
