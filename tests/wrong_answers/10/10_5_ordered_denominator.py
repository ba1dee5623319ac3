# names: *ordered* choices
def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    n, m = len(ours), len(theirs)
    pool = list(ours) + list(theirs)
    total = sum(pool)
    seen = sum(ours) / n - sum(theirs) / m
    count = 0
    for c in combinations(range(n + m), n):
        s = sum(pool[i] for i in c)
        if abs(s / n - (total - s) / m) >= abs(seen) - 1e-9:
            count += 1
    return seen, count / math.perm(n + m, n)
