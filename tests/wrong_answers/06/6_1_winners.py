# names: counted winners
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    each = torch.special.entr(targets).sum(-1).mean()
    counts = torch.bincount(targets.argmax(-1), minlength=targets.shape[1])
    return each, torch.special.entr(counts / len(targets)).sum()
