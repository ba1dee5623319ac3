# names: dimension of size 1
def usage(targets):
    h = torch.special.entr(targets).sum(-1, keepdim=True)
    return h.mean(0), torch.special.entr(targets.mean(0)).sum()
