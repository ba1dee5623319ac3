import itertools

import numpy as np


def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    both = np.array([*ours, *theirs])
    n = len(ours)
    seen = both[:n].mean() - both[n:].mean()
    sums = np.array([both[list(c)].sum() for c in itertools.combinations(range(len(both)), n)])
    found = sums / n - (both.sum() - sums) / (len(both) - n)
    return seen, (np.abs(found) >= abs(seen) - 1e-9).mean()
