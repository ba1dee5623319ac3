# names: changes a list it was given
def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    n, m = len(ours), len(theirs)
    seen = sum(ours) / n - sum(theirs) / m
    pool = ours
    pool += theirs
    count = 0
    for c in combinations(range(n + m), n):
        a = sum(pool[i] for i in c) / n
        b = sum(pool[i] for i in range(n + m) if i not in c) / m
        if abs(a - b) >= abs(seen) - 1e-9:
            count += 1
    return seen, count / math.comb(n + m, n)
