# names: each of the two is above 0.02
def diagnose(log, out_dim):
    end = log[-max(1, len(log) // 4) :]

    def share(key):
        return sum(line[key] for line in end) / len(end) / math.log(out_dim)

    h, u, d = share("entropy"), share("usage"), share("kl")
    if d > 0.15:
        return "unstable"
    if u > 0.02 and h > 0.02:
        return "healthy"
    return "uniform" if h > 0.9 else "peaked" if h < 0.1 else "constant"
