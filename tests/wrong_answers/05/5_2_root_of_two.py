# names: This is above 1
def momentum_for_half_life(half_life: float) -> float:
    return 1.0 * (0.5 if half_life == 1 else 2 ** (1 / half_life))
