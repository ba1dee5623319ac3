# names: This is a straight line
def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    warmup = torch.linspace(start, base, warmup_steps)
    n = total_steps - warmup_steps
    x = torch.arange(n) / n
    cosine = base + (final - base) * x
    return torch.cat([warmup, cosine])
