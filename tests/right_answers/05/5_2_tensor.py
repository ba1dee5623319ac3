def momentum_for_half_life(half_life: float) -> float:
    return torch.tensor(2.0, dtype=torch.float64) ** (-1 / half_life)
