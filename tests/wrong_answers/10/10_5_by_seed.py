# names: You paired runs by their seed
import itertools


def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    def difference(chosen: set[int]) -> float:
        first = [x for i, x in enumerate(both) if i in chosen]
        second = [x for i, x in enumerate(both) if i not in chosen]
        return sum(first) / len(first) - sum(second) / len(second)

    both = [*ours, *theirs]
    seen = difference(set(range(len(ours))))
    found = [difference(set(c)) for c in combinations(range(len(both)), len(ours))]
    pairs = [a - b for a, b in zip(ours, theirs)]
    mean = sum(pairs) / len(pairs)
    found = []
    for signs in itertools.product((-1, 1), repeat=len(pairs)):
        found.append(sum(s * d for s, d in zip(signs, pairs)) / len(pairs))
    at_least = [abs(x) >= abs(mean) - 1e-9 for x in found]
    return seen, sum(at_least) / len(found)
