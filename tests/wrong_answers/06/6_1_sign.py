# names: The sign of the entropy is turned round
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    def h(q):
        return torch.special.xlogy(q, q).sum(-1)

    return h(targets).mean(), h(targets.mean(0))
