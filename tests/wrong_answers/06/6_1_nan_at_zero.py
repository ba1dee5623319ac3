# names: 0 * log(0) is nan
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    def h(q):
        return -(q * q.log()).sum(-1)

    return h(targets).mean(), h(targets.mean(0))
