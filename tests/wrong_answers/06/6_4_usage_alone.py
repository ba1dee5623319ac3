# names: You judge by usage alone
def diagnose(log: list[dict], out_dim: int) -> str:
    end = log[-max(1, len(log) // 4) :]

    def mean(key):
        return sum(line[key] for line in end) / len(end) / math.log(out_dim)

    h, together, kl = mean("entropy"), mean("usage"), mean("kl")
    if kl > 0.15:
        return "unstable"
    if together > 0.995:
        return "uniform"
    if together - h >= 0.02:
        return "healthy"
    return "peaked" if h < 0.1 else "constant"
