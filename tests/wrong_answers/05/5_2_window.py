# names: the window of a plain average
def momentum_for_half_life(half_life: float) -> float:
    return 1 - 1 / half_life
