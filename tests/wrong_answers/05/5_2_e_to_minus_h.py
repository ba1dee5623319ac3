# names: This is e ** -steps
def momentum_for_half_life(half_life: float) -> float:
    return math.exp(-half_life)
