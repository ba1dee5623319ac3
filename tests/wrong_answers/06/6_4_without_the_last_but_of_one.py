# names: log[-n:-1] ends before it
def diagnose(log, out_dim):
    n = max(1, len(log) // 4)
    end = log[-n:-1] or log[-1:]
    h, u, d = (
        sum(line[k] for line in end) / len(end) / math.log(out_dim)
        for k in ("entropy", "usage", "kl")
    )
    return (
        "unstable"
        if d > 0.15
        else "healthy"
        if u - h >= 0.02
        else "uniform"
        if h > 0.9
        else "peaked"
        if h < 0.1
        else "constant"
    )
