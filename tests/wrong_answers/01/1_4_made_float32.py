# names: Given float64, the result is float32
def entropy_and_kl(q, p):
    q, p = q.float(), p.float()
    h = torch.special.entr(q).sum(dim=-1)
    return h, -torch.special.xlogy(q, p).sum(dim=-1) - h
