# names: the logarithm of the momentum
def momentum_for_half_life(half_life: float) -> float:
    return math.log(0.5) / half_life
