# names: Your second number is the mean of the entropies again
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    each = torch.special.entr(targets).sum(-1)
    return each.mean(), each.mean(0)
