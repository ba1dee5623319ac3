# names: the share that the student gets
def momentum_for_half_life(half_life: float) -> float:
    return 1 - 0.5 ** (1 / half_life)
