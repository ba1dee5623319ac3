# names: limit grows with the usage
def diagnose(log, out_dim):
    end = log[-max(1, len(log) // 4) :]

    def share(key):
        return sum(line[key] for line in end) / len(end) / math.log(out_dim)

    h, u, d = share("entropy"), share("usage"), share("kl")
    if d > 0.15:
        return "unstable"
    if u - h >= 0.02 * u:
        return "healthy"
    return "uniform" if h > 0.9 else "peaked" if h < 0.1 else "constant"
