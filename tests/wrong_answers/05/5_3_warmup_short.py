# names: does not get to `base`
def cosine_schedule(
    base: float, final: float, total_steps: int, warmup_steps: int = 0, start: float = 0.0
) -> torch.Tensor:
    warmup = start + (base - start) * torch.arange(warmup_steps) / max(warmup_steps, 1)
    n = total_steps - warmup_steps
    x = torch.arange(n) / n
    cosine = final + (base - final) * (1 + torch.cos(math.pi * x)) / 2
    return torch.cat([warmup, cosine])
