# names: 0 * log 0 is nan
def entropy_and_kl(q: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return -(q * q.log()).sum(-1), (q * (q / p).log()).sum(-1)
