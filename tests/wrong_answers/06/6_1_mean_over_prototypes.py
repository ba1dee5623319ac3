# names: averaged over the prototypes (dim -1)
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    each = torch.special.entr(targets).sum(-1).mean()
    return each, torch.special.entr(targets.mean(-1)).sum()
