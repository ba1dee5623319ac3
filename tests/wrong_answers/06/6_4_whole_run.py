# names: averaged over the whole run
def diagnose(log: list[dict], out_dim: int) -> str:
    end = log

    def mean(key):
        return sum(line[key] for line in end) / len(end) / math.log(out_dim)

    h, together, kl = mean("entropy"), mean("usage"), mean("kl")
    if kl > 0.15:
        return "unstable"
    if together - h >= 0.02:
        return "healthy"
    return "uniform" if h > 0.9 else "peaked" if h < 0.1 else "constant"
