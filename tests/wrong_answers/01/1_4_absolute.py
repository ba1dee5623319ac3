# names: absolute
def entropy_and_kl(q, p):
    h = torch.special.entr(q).sum(-1)
    return h, (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).abs().sum(-1)
