# names: ceiling
def entropy_and_kl(q, p):
    h = torch.special.entr(q).sum(-1)
    return h, -(q * (p + 1e-8).log()).sum(-1) - h
