# names: difference of the medians. That of the means is asked for. (The share
import statistics


def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    def difference(chosen: set[int]) -> float:
        first = [x for i, x in enumerate(both) if i in chosen]
        second = [x for i, x in enumerate(both) if i not in chosen]
        return statistics.median(first) - statistics.median(second)

    both = [*ours, *theirs]
    seen = difference(set(range(len(ours))))
    found = [difference(set(c)) for c in combinations(range(len(both)), len(ours))]
    at_least = [abs(x) >= abs(seen) - 1e-9 for x in found]
    return seen, sum(at_least) / len(found)
