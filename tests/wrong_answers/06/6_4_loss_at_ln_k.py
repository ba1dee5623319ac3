# names: and h is above 0.9
def diagnose(log: list[dict], out_dim: int) -> str:
    end = log[-max(1, len(log) // 4) :]

    def mean(key):
        return sum(line[key] for line in end) / len(end) / math.log(out_dim)

    h, together, kl, loss = mean("entropy"), mean("usage"), mean("kl"), mean("loss")
    if kl > 0.15:
        return "unstable"
    if loss > 0.93 and h < 0.92 or h > 0.99:
        return "uniform"
    if together - h >= 0.02:
        return "healthy"
    return "peaked" if h < 0.1 else "constant"
