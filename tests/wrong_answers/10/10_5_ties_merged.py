# names: Equal scores make equal groups
def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    both, n, m = [*ours, *theirs], len(ours), len(theirs)
    seen = sum(ours) / n - sum(theirs) / m
    groups = {tuple(sorted(first)) for first in combinations(both, n)}
    found = [sum(first) / n - (sum(both) - sum(first)) / m for first in groups]
    return seen, sum(abs(d) >= abs(seen) - 1e-9 for d in found) / len(found)
