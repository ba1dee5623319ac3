# names: repeated its outermost pixels
def resize_matrix(start: int, length: int, size_in: int, size_out: int) -> torch.Tensor:
    step = length / size_out
    center = start + (torch.arange(size_out) + 0.5) * step
    matrix = torch.zeros(size_out, size_in)
    for k in range(-50, 50):
        w = (1 - (k + 0.5 - center).abs() / max(1, step)).clamp(min=0)
        matrix[:, min(max(k, start), start + length - 1)] += w
    return matrix / matrix.sum(dim=1, keepdim=True)
