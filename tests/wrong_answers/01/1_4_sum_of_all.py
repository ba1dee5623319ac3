# names: summed over everything
def entropy_and_kl(q, p):
    h = torch.special.entr(q).sum()
    return h, -torch.special.xlogy(q, p).sum() - h
