# names: softmax of p
def entropy_and_kl(q, p):
    h = torch.special.entr(q).sum(-1)
    return h, -(q * torch.log_softmax(p, -1)).sum(-1) - h
