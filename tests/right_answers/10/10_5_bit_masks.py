from statistics import fmean


def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    pool = list(ours) + list(theirs)
    n, size = len(ours), len(ours) + len(theirs)
    seen = fmean(ours) - fmean(theirs)
    found = []
    for bits in range(2**size):
        if bin(bits).count("1") != n:
            continue
        a = [x for i, x in enumerate(pool) if bits >> i & 1]
        b = [x for i, x in enumerate(pool) if not bits >> i & 1]
        found.append(abs(fmean(a) - fmean(b)) >= abs(seen) - 1e-9)
    return seen, sum(found) / len(found)
