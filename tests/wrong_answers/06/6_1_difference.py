# names: Your second number is the difference
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    each = torch.special.entr(targets).sum(dim=-1).mean()
    together = torch.special.entr(targets.mean(dim=0)).sum()
    return each, together - each
