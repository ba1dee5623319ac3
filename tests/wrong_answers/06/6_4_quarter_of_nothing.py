# names: your function fails on what is left
def diagnose(log, out_dim):
    end = log[len(log) - len(log) // 4 :]
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
