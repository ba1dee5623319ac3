# names: and turned signs, and compared
from itertools import product


def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    seen = sum(ours) / len(ours) - sum(theirs) / len(theirs)
    diffs = [a - b for a, b in zip(ours, theirs)]
    flips = [
        sum(s * d for s, d in zip(signs, diffs)) / len(diffs)
        for signs in product([1, -1], repeat=len(diffs))
    ]
    return seen, sum(abs(f) >= abs(seen) - 1e-9 for f in flips) / len(flips)
