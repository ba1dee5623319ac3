def usage(targets):
    each = torch.special.entr(targets).sum(dim=-1).mean()
    together = torch.special.entr(targets.mean(dim=0)).sum()
    return torch.stack([each, together])
