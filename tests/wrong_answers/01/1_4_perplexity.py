# names: perplexity
def entropy_and_kl(q, p):
    h = torch.special.entr(q).sum(-1)
    return h.exp(), -torch.special.xlogy(q, p).sum(-1) - h
