# names: you draw divisions at random
import random


def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    n = len(ours)
    pool = list(ours) + list(theirs)

    def mean(x):
        return sum(x) / len(x)

    seen = mean(ours) - mean(theirs)
    count = 1
    for _ in range(1000):
        random.shuffle(pool)
        if abs(mean(pool[:n]) - mean(pool[n:])) >= abs(seen) - 1e-9:
            count += 1
    return seen, count / 1001
