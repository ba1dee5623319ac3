# names: does not sum to 1
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    each = torch.special.entr(targets).sum(-1).mean()
    return each, torch.special.entr(targets.sum(0)).sum()
