# names: ends at start + base
def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    up = start + base * torch.arange(warmup_steps) / max(warmup_steps - 1, 1)
    n = total_steps - warmup_steps
    i = torch.arange(n)
    wave = final + (base - final) * (1 + torch.cos(math.pi * i / n)) / 2
    return torch.cat([up, wave])
