# names: ends before it arrives at `final`
def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    warmup = torch.linspace(start, base, warmup_steps)
    n = total_steps - warmup_steps
    x = torch.arange(n) / total_steps
    cosine = final + (base - final) * (1 + torch.cos(math.pi * x)) / 2
    return torch.cat([warmup, cosine])
