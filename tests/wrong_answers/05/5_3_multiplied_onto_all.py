# names: You multiplied warm-up and cosine
def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    t = torch.arange(total_steps)
    wave = final + (base - final) * (1 + torch.cos(math.pi * t / total_steps)) / 2
    if warmup_steps:
        wave = wave * ((t + 1) / warmup_steps).clamp(max=1)
    return wave
