# names: A low loss is not success
def diagnose(log: list[dict], out_dim: int) -> str:
    end = log[-max(1, len(log) // 4) :]

    def mean(key):
        return sum(line[key] for line in end) / len(end) / math.log(out_dim)

    loss = mean("loss")
    return "uniform" if loss > 0.97 else "healthy"
