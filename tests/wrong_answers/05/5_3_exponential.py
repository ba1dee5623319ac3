# names: This is an exponential decay
def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    up = torch.linspace(start, base, warmup_steps)
    n = total_steps - warmup_steps
    i = torch.arange(n)
    wave = base * (max(final, 0.0) / base) ** (i / n)
    return torch.cat([up, wave])
