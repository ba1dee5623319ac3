# names: differ in their last digit
def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    n, m = len(ours), len(theirs)
    scores = list(ours) + list(theirs)
    seen = sum(ours) / n - sum(theirs) / m
    count = 0
    total = 0
    for c in combinations(range(n + m), n):
        a = [scores[i] for i in c]
        b = [scores[i] for i in range(n + m) if i not in c]
        if abs(sum(a) / n - sum(b) / m) >= abs(seen):
            count += 1
        total += 1
    return seen, count / total
