# names: logarithm
def entropy_and_kl(q, p):
    h = torch.special.entr(q).sum(-1)
    return h, torch.nn.functional.kl_div(p, q, reduction="none").sum(-1)
