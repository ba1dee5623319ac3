# names: averaged KL over everything
def entropy_and_kl(q, p):
    import warnings

    warnings.simplefilter("ignore")
    h = torch.special.entr(q).sum(-1)
    return h, torch.nn.functional.kl_div(p.log(), q)
