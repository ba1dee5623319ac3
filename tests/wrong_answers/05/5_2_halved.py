# names: a *quarter* is left
def momentum_for_half_life(half_life: float) -> float:
    return 0.5 ** (2 / half_life)
