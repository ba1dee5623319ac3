def recolor(x: torch.Tensor, factors: torch.Tensor, solarized: torch.Tensor) -> torch.Tensor:
    w = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1).to(x)
    b, c, s = (f.view(-1, 1, 1, 1) for f in factors.unbind(1))
    x = (b * x).clamp(0, 1)
    mean = (w * x).sum(1).mean((1, 2)).view(-1, 1, 1, 1)
    x = mean.lerp(x, c).clamp(0, 1)
    x = (s * x + (1 - s) * (w * x).sum(1, keepdim=True)).clamp(0, 1)
    return torch.where(solarized.view(-1, 1, 1, 1) & (x >= 128 / 255), 1 - x, x)
