# names: overwrites what the one before it found
def diagnose(log, out_dim):
    n = max(1, len(log) // 4)
    h, u, d = (
        sum(line[k] for line in log[-n:]) / n / math.log(out_dim)
        for k in ("entropy", "usage", "kl")
    )
    v = "constant"
    if d > 0.15:
        v = "unstable"
    if u - h >= 0.02:
        v = "healthy"
    if h > 0.9:
        v = "uniform"
    if h < 0.1:
        v = "peaked"
    return v
