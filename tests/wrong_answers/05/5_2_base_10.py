# names: the power to base 10
def momentum_for_half_life(half_life: float) -> float:
    return 10 ** (math.log(0.5) / half_life)
