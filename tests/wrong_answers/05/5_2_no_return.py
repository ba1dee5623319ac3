# names: Is a `return` missing
def momentum_for_half_life(half_life: float) -> float:
    0.5 ** (1 / half_life)
