# names: and not those as far below 0
def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    both, n = [*ours, *theirs], len(ours)

    def difference(chosen: tuple[int, ...]) -> float:
        first = [both[i] for i in chosen]
        second = [x for i, x in enumerate(both) if i not in chosen]
        return sum(first) / len(first) - sum(second) / len(second)

    seen = difference(tuple(range(n)))
    found = [difference(c) for c in combinations(range(len(both)), n)]
    return seen, sum(d >= abs(seen) - 1e-9 for d in found) / len(found)
