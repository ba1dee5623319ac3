def diagnose(log: list[dict], out_dim: int) -> str:
    end = log[-max(1, len(log) // 4) :]
    table = torch.tensor([[x["entropy"], x["usage"], x["kl"]] for x in end], dtype=torch.float64)
    h, together, kl = (table.mean(dim=0) / math.log(out_dim)).tolist()
    told = together - h
    if kl > 0.15:
        return "unstable"
    elif told >= 0.02:
        return "healthy"
    elif h > 0.9:
        return "uniform"
    elif h < 0.1:
        return "peaked"
    else:
        return "constant"
