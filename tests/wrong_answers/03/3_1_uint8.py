# names: holds whole numbers
def resize_matrix(start: int, length: int, size_in: int, size_out: int) -> torch.Tensor:
    step = length / size_out
    center = start + (torch.arange(size_out) + 0.5) * step
    pixel = torch.arange(size_in) + 0.5
    weights = (1 - (pixel - center[:, None]).abs() / max(1, step)).clamp(min=0)
    weights = weights * ((pixel > start) & (pixel < start + length))
    return (weights / weights.sum(dim=1, keepdim=True) * 255).to(torch.uint8)
