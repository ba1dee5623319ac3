# names: fall off by another curve
def resize_matrix(start: int, length: int, size_in: int, size_out: int) -> torch.Tensor:
    step = length / size_out
    center = start + (torch.arange(size_out) + 0.5) * step
    pixel = torch.arange(size_in) + 0.5
    d = (pixel - center[:, None]) / max(1, step)
    weights = torch.sinc(d) * torch.sinc(d / 3) * (d.abs() < 3)
    weights = weights * ((pixel > start) & (pixel < start + length))
    return weights / weights.sum(dim=1, keepdim=True)
