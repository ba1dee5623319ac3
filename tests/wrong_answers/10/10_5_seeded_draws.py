# names: you draw so many divisions at random, from one seed
def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    import random

    chance, both, n = random.Random(0), [*ours, *theirs], len(ours)
    seen = sum(ours) / n - sum(theirs) / len(theirs)
    count = 0
    for _ in range(10000):
        chance.shuffle(both)
        d = sum(both[:n]) / n - sum(both[n:]) / len(theirs)
        count += abs(d) >= abs(seen) - 1e-9
    return seen, count / 10000
