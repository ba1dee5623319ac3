# names: counted from 1: at step t
def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    values = []
    for t in range(1, total_steps + 1):
        if t < warmup_steps:
            values.append(start + (base - start) * t / (warmup_steps - 1))
        else:
            x = (t - warmup_steps) / (total_steps - warmup_steps)
            values.append(final + (base - final) * (1 + math.cos(math.pi * x)) / 2)
    return torch.tensor(values)
