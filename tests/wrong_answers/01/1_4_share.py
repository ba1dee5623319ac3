# names: over ln K
def entropy_and_kl(q, p):
    import math

    h = torch.special.entr(q).sum(-1)
    return h / math.log(q.shape[-1]), -torch.special.xlogy(q, p).sum(-1) - h
