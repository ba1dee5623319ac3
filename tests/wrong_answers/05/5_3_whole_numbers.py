# names: The values are whole numbers
def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    values = torch.full((total_steps,), base)
    for t in range(total_steps):
        if t < warmup_steps:
            values[t] = start + (base - start) * t / (warmup_steps - 1)
        else:
            x = (t - warmup_steps) / (total_steps - warmup_steps)
            values[t] = final + (base - final) * (1 + math.cos(math.pi * x)) / 2
    return values
