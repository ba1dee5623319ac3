# names: the median of the rows
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.special.entr(targets).sum(-1).median(), torch.special.entr(targets.mean(0)).sum()
