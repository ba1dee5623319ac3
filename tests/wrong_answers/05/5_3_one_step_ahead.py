# names: Your cosine is one step ahead
def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    up = torch.linspace(start, base, warmup_steps)
    n = total_steps - warmup_steps
    i = torch.arange(1, n + 1)
    wave = final + (base - final) * (1 + torch.cos(math.pi * i / n)) / 2
    return torch.cat([up, wave])
