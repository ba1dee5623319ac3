# names: You never look at KL
def diagnose(log: list[dict], out_dim: int) -> str:
    end = log[-max(1, len(log) // 4) :]

    def mean(key):
        return sum(line[key] for line in end) / len(end) / math.log(out_dim)

    h, together = mean("entropy"), mean("usage")
    if together - h >= 0.02:
        return "healthy"
    return "uniform" if h > 0.9 else "peaked" if h < 0.1 else "constant"
