# names: approximation 1 - ln 2 / steps
def momentum_for_half_life(half_life: float) -> float:
    return 1 - math.log(2) / half_life
