# names: Is it rounded
def momentum_for_half_life(half_life: float) -> float:
    return torch.tensor(0.5) ** (1 / half_life)
