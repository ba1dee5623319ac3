def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    def h(q):
        return sum(-x * torch.log(x.clamp(min=1e-30)) for x in q)

    rows = [h(row) for row in targets]
    mean = sum(targets) / len(targets)
    return torch.stack(rows).mean(), h(mean)
