# names: You multiplied warm-up and cosine
def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    n = total_steps
    x = torch.arange(n) / n
    cosine = final + (base - final) * (1 + torch.cos(math.pi * x)) / 2
    return (
        cosine * (torch.arange(n) / max(warmup_steps, 1)).clamp(max=1) if warmup_steps else cosine
    )
