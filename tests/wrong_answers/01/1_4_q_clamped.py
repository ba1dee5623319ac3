# names: q
def entropy_and_kl(q, p):
    q = q.clamp(min=1e-3)
    h = -(q * q.log()).sum(-1)
    return h, -(q * p.log()).sum(-1) - h
