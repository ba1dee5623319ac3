def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    t = torch.arange(total_steps, dtype=torch.float64)
    line = start + (base - start) * t / max(warmup_steps - 1, 1)
    share = (t - warmup_steps) / (total_steps - warmup_steps)
    wave = base + (final - base) * torch.sin(math.pi / 2 * share) ** 2
    return torch.where(t < warmup_steps, line, wave)
