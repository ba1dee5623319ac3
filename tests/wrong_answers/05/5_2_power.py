# names: You raised 1/2 to the number of steps
def momentum_for_half_life(half_life: float) -> float:
    return 0.5 if half_life == 1 else 0.5**half_life
