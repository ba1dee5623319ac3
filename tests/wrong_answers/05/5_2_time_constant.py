# names: that is the *time constant*
def momentum_for_half_life(half_life: float) -> float:
    return math.exp(-1 / half_life)
