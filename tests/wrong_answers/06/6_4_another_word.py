# names: Return one of uniform, peaked
def diagnose(log: list[dict], out_dim: int) -> str:
    end = log[-max(1, len(log) // 4) :]

    def mean(key):
        return sum(line[key] for line in end) / len(end) / math.log(out_dim)

    h, together = mean("entropy"), mean("usage")
    return "collapsed" if together - h < 0.02 else "healthy"
