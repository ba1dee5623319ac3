# names: summed over the rows (dim 0)
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.special.entr(targets).sum(0).mean(), torch.special.entr(targets.mean(0)).sum()
