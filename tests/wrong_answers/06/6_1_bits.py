# names: This is in bits
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    def h(q):
        return torch.special.entr(q).sum(-1) / 0.6931471805599453

    return h(targets).mean(), h(targets.mean(0))
