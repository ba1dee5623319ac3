def momentum_for_half_life(half_life: float) -> float:
    return math.exp(math.log(0.5) / half_life)
