# names: decay were a straight line
def momentum_for_half_life(half_life: float) -> float:
    return 1 - 0.5 / half_life
