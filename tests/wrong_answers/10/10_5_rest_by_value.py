# names: The rest is chosen by value
def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    pool = ours + theirs
    seen = sum(ours) / len(ours) - sum(theirs) / len(theirs)
    total, hits = 0, 0
    for group in combinations(pool, len(ours)):
        rest = [x for x in pool if x not in group]
        d = sum(group) / len(group) - sum(rest) / max(len(rest), 1)
        hits += abs(d) >= abs(seen) - 1e-9
        total += 1
    return seen, hits / total
