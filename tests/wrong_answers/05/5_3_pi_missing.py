# names: The pi is missing
def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    up = torch.linspace(start, base, warmup_steps)
    n = total_steps - warmup_steps
    i = torch.arange(n)
    wave = final + (base - final) * (1 + torch.cos(i / n)) / 2
    return torch.cat([up, wave])
