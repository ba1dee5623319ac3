def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    def h(q):
        log = torch.where(q > 0, q, torch.ones_like(q)).log()
        return -(q * log).sum(dim=-1)

    return h(targets).mean(), h(targets.mean(dim=0))
