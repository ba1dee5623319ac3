# names: Only the first row
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.special.entr(targets[0]).sum(), torch.special.entr(targets.mean(0)).sum()
