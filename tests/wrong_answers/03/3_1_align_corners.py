# names: align_corners
def resize_matrix(start: int, length: int, size_in: int, size_out: int) -> torch.Tensor:
    step = (length - 1) / (size_out - 1)
    center = start + torch.arange(size_out) * step
    pixel = torch.arange(size_in)
    weights = (1 - (pixel - center[:, None]).abs() / max(1, step)).clamp(min=0)
    weights = weights * ((pixel >= start) & (pixel < start + length))
    return weights / weights.sum(dim=1, keepdim=True)
