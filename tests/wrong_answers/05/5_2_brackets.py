# names: Brackets: 0.5 ** 1 / steps
def momentum_for_half_life(half_life: float) -> float:
    return 0.5**1 / half_life
