def diagnose(log: list[dict], out_dim: int) -> str:
    import statistics

    ln_k = math.log(out_dim)
    n = len(log) // 4 or 1

    def last(key):
        return statistics.fmean(line[key] for line in log[len(log) - n :])

    verdict = "constant"
    if last("entropy") > 0.9 * ln_k:
        verdict = "uniform"
    if last("entropy") < 0.1 * ln_k:
        verdict = "peaked"
    if last("usage") >= last("entropy") + 0.02 * ln_k:
        verdict = "healthy"
    if last("kl") > 0.15 * ln_k:
        verdict = "unstable"
    return verdict
