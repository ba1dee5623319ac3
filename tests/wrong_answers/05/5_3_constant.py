# names: The values do not change
def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    warmup = torch.linspace(start, base, warmup_steps)
    n = total_steps - warmup_steps
    x = torch.arange(n) / n
    cosine = torch.full_like(x, base)
    return torch.cat([warmup, cosine])
