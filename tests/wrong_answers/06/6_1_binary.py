# names: Both terms of a binary entropy
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    def h(q):
        return (torch.special.entr(q) + torch.special.entr(1 - q)).sum(-1)

    return h(targets).mean(), h(targets.mean(0))
