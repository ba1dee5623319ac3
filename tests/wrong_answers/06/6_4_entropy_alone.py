# names: You ask for peaked before healthy
def diagnose(log: list[dict], out_dim: int) -> str:
    end = log[-max(1, len(log) // 4) :]

    def mean(key):
        return sum(line[key] for line in end) / len(end) / math.log(out_dim)

    h, together, kl = mean("entropy"), mean("usage"), mean("kl")
    if kl > 0.15:
        return "unstable"
    if h < 0.1:
        return "peaked"
    if together - h < 0.02:
        return "uniform" if h > 0.9 else "constant"
    return "healthy"
