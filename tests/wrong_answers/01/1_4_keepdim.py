# names: keepdim
def entropy_and_kl(q, p):
    h = torch.special.entr(q).sum(-1, keepdim=True)
    return h, -torch.special.xlogy(q, p).sum(-1, keepdim=True) - h
