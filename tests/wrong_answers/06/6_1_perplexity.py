# names: exp of the entropy
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    each = torch.special.entr(targets).sum(-1).exp().mean()
    return each, torch.special.entr(targets.mean(0)).sum().exp()
