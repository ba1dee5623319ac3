# names: went by the number of the step
def diagnose(log: list[dict], out_dim: int) -> str:
    end = [line for line in log if line["step"] > 0.75 * log[-1]["step"]]

    def share(key):
        return sum(line[key] for line in end) / len(end) / math.log(out_dim)

    h, u, d = share("entropy"), share("usage"), share("kl")
    if d > 0.15:
        return "unstable"
    if u - h >= 0.02:
        return "healthy"
    return "uniform" if h > 0.9 else "peaked" if h < 0.1 else "constant"
