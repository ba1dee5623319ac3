# names: returned the other way round
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    each = torch.special.entr(targets).sum(-1).mean()
    return torch.special.entr(targets.mean(0)).sum(), each
