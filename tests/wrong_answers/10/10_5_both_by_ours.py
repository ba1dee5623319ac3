# names: In each division both sums are divided by the number of ours
def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    both, n = [*ours, *theirs], len(ours)
    seen = sum(ours) / n - sum(theirs) / len(theirs)
    firsts = [sum(first) for first in combinations(both, n)]
    found = [first / n - (sum(both) - first) / n for first in firsts]
    return seen, sum(abs(d) >= abs(seen) - 1e-9 for d in found) / len(found)
