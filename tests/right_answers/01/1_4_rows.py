def entropy_and_kl(q, p):
    if q.dim() > 1:
        pairs = [entropy_and_kl(a, b) for a, b in zip(q, p)]
        return torch.stack([x for x, _ in pairs]), torch.stack([y for _, y in pairs])
    m = q > 0
    return -(q[m] * q[m].log()).sum(), (q[m] * (q[m] / p[m]).log()).sum()
