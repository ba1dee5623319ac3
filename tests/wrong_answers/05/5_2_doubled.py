# names: after *twice* as many
def momentum_for_half_life(half_life: float) -> float:
    return 0.5 ** (0.5 / half_life)
