# names: taken off the count
def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    n, m = len(ours), len(theirs)
    pool = ours + theirs
    seen = sum(ours) / n - sum(theirs) / m
    ways = list(combinations(range(n + m), n))
    hits = 0
    for way in ways[1:]:
        a = sum(pool[i] for i in way)
        d = a / n - (sum(pool) - a) / m
        if abs(d) >= abs(seen) - 1e-9:
            hits += 1
    return seen, hits / len(ways)
