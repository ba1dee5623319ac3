# names: You computed the half-life of a momentum
def momentum_for_half_life(half_life: float) -> float:
    return math.log(0.5) / math.log(half_life)
