# names: Your warm-up stays at `start`
def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    up = torch.full((warmup_steps,), float(start))
    n = total_steps - warmup_steps
    i = torch.arange(n)
    wave = final + (base - final) * (1 + torch.cos(math.pi * i / n)) / 2
    return torch.cat([up, wave])
