# names: zeros of all rows together
def usage(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    q = targets[targets > 0]
    return -(q * q.log()).mean(), torch.special.entr(targets.mean(0)).sum()
