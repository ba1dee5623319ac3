# names: cut to a whole number
def momentum_for_half_life(half_life: float) -> float:
    return 0.5 ** (1 / max(int(half_life), 1))
